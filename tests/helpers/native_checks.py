"""The contract of wrappers with a native model: the numbers of the stock model, to rounding."""

from __future__ import annotations

import copy
import inspect
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from ocp_dc.fairchem1.checks.name_check import model_class
from ocp_dc.models.potential import Potential
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

from tests.helpers.every_model import in_float64
from tests.helpers.native_structures import NAMES, PERIODIC, batch_of, ethanol_forces, ethanols, structures

VARIANTS: dict[str, dict[str, Any]] = {
    "stock activation": {},
    "IReLU in the output": {"activation": "irelu", "region": "output"},
    "IReLU everywhere": {"activation": "irelu", "region": "full"},
    "Mish elsewhere": {"activation": "irelu", "region": "output", "elsewhere": "mish"},
}
# float64, relative to the largest value of each tensor
ENERGIES, FORCES, GRADIENTS = 1e-10, 1e-9, 1e-9
# float32, of each tensor's largest value: two orders of summation; 2.7e-5 was the largest error of SchNet and PaiNN
LOCKSTEP = 1e-4
# gradients below this part of the largest gradient of all tensors are rounding errors of zero
ZERO = 1e-6


class NativeContract:
    """Tests of a wrapper with a native model; pytest runs a subclass whose name begins with Test.

    A subclass sets names and arguments. ``setup_model`` fills in what a new model lacks, such as scale factors.
    """

    # name of the stock model; the wrapper is registered as dc_ and this name
    stock_name: ClassVar[str]
    # the native model, which builds its parts without a host
    native_class: ClassVar[type[Potential[Any]]]
    # arguments of a small model, without use_pbc and otf_graph
    arguments: ClassVar[dict[str, Any]]
    # keys to add to every dc: block that changes an activation
    dc_always: ClassVar[dict[str, Any]] = {}
    # keys with which the wrapper computes what the stock model does; None if no block does
    dc_stock: ClassVar[dict[str, Any] | None] = {}
    # batches on which the stock model fails
    stock_fails_on: ClassVar[tuple[str, ...]] = ()
    # the relative tolerance of the native model alone, in float64
    alone: ClassVar[float] = 1e-11
    # steps of a training in float32, with batches of this size
    steps: ClassVar[int] = 200
    lockstep_batch: ClassVar[int] = 2
    lockstep_tolerance: ClassVar[float] = LOCKSTEP

    # ---- what tests use ----

    def setup_model(self, model: torch.nn.Module) -> None:
        """Set what a new model lacks; called on each model right after it is built."""

    def build(self, name: str, periodic: bool, **changes: Any) -> Any:
        """Build a model of fairchem's registry from the same random numbers each time."""
        torch.manual_seed(0)
        arguments = {**copy.deepcopy(self.arguments), "use_pbc": periodic, "otf_graph": True, **changes}
        model = model_class(name, "model")(**arguments)
        self.setup_model(model)
        return model

    def wrapper(self, variant: str, accelerate: str, periodic: bool = False) -> Any:
        """Build the wrapper in a variant of the ``dc:`` block."""
        block = VARIANTS[variant]
        always = self.dc_always if block else (self.dc_stock or {})
        model = self.build(f"dc_{self.stock_name}", periodic, dc={**block, **always, "accelerate": accelerate})
        assert model.uses_native is (accelerate != "off")
        return model

    def native(self) -> Any:
        """Build the native model from the same random numbers as the wrapper."""
        torch.manual_seed(0)
        known = inspect.signature(self.native_class.__init__).parameters
        model = self.native_class(**{key: value for key, value in self.arguments.items() if key in known})
        self.setup_model(model)
        return model

    @staticmethod
    def inputs(wrapper: Any, name: str) -> tuple[Tensor, Tensor, Any]:
        """Return numbers, positions and the graph of a batch."""
        batch = batch_of(structures(name))
        with torch.no_grad():
            graph = wrapper.build_graph(wrapper.find_edges(batch))
        return batch.atomic_numbers.long(), batch.pos.detach(), graph

    # ---- the numbers of the stock model ----

    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.parametrize("name", NAMES)
    def test_is_the_host_path(self, name: str, variant: str) -> None:
        """Energies, forces and gradients of a loss of both by all parameters, in float64."""
        ours, host = (self.wrapper(variant, path, name in PERIODIC).double() for path in ("native", "off"))
        with in_float64():
            found = outputs_and_gradients(ours, batch_of(structures(name)))
            assert torch.isfinite(found[0]).all()
            assert torch.isfinite(found[1]).all()
            if name in self.stock_fails_on:
                return
            assert_same(found, outputs_and_gradients(host, batch_of(structures(name))))

    @pytest.mark.parametrize("name", ["mixed sizes", "triclinic cell", "small cell"])
    def test_is_the_stock_model(self, name: str) -> None:
        if self.dc_stock is None:
            pytest.skip("no block computes what the stock model does")
        ours = self.wrapper("stock activation", "native", name in PERIODIC).double()
        stock = self.build(self.stock_name, name in PERIODIC).double()
        with in_float64():
            found, expected = (outputs_and_gradients(model, batch_of(structures(name))) for model in (ours, stock))
        assert_same(found, expected)

    def test_has_the_initial_weights_of_the_stock_model(self) -> None:
        """Bit for bit after the same seed, with the same names; state dicts load strictly both ways."""
        stock, native = self.build(self.stock_name, False), self.native()
        expected, found = stock.state_dict(), native.state_dict()
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.equal(found[key], value), key
        after = torch.get_rng_state()
        self.build(self.stock_name, False)
        assert torch.equal(torch.get_rng_state(), after)  # the native model was the last to draw
        native.load_state_dict(expected, strict=True)
        stock.load_state_dict(found, strict=True)

    @pytest.mark.parametrize("name", ["mixed sizes", "small cell"])
    def test_the_native_model_alone_is_the_wrapper(self, name: str) -> None:
        wrapper = self.wrapper("stock activation", "native", name in PERIODIC).double()
        with in_float64():
            numbers, positions, graph = self.inputs(wrapper, name)
            expected = wrapper.energy_and_forces(numbers, positions, graph)
        native = self.native().double()
        for one, other in zip(native.energy_and_forces(numbers, positions, graph), expected, strict=True):
            torch.testing.assert_close(one, other, rtol=self.alone, atol=self.alone)

    # ---- the two forms ----

    @pytest.mark.parametrize("variant", VARIANTS)
    @pytest.mark.parametrize("name", ["mixed sizes", "small cell"])
    def test_the_two_forms_agree(self, name: str, variant: str) -> None:
        model = self.wrapper(variant, "native", name in PERIODIC).double()
        with in_float64():
            numbers, positions, graph = self.inputs(model, name)
            results = []
            for first_order in (True, False):
                leaf = positions.clone().requires_grad_()
                energy = model.energy(numbers, leaf, graph, first_order=first_order)
                forces = -torch.autograd.grad(energy.sum(), leaf, create_graph=True)[0]
                results.append((energy, forces, gradients(model, energy, forces)))
        assert_same(*results)

    @pytest.mark.parametrize("variant", ["stock activation", "Mish elsewhere"])
    @pytest.mark.parametrize("name", ["mixed sizes", "small cell"])
    def test_second_derivatives_by_positions(self, name: str, variant: str) -> None:
        """If positions require a gradient: central differences of the forces, which take the fast form."""
        model = self.wrapper(variant, "native", name in PERIODIC).double()
        with in_float64():
            numbers, positions, graph = self.inputs(model, name)
            leaf = positions.clone().requires_grad_()
            _, forces = model.energy_and_forces(numbers, leaf, graph)
            row = torch.autograd.grad(forces[0, 1], leaf)[0]  # the Hessian is symmetric: also its column
            step = torch.zeros_like(positions)
            step[0, 1] = 1e-5
            ends = [model.energy_and_forces(numbers, positions + sign * step, graph)[1] for sign in (1, -1)]
        difference = ((ends[0] - ends[1]) / 2e-5).detach()
        relative, absolute = FINITE_DIFFERENCE
        torch.testing.assert_close(row, difference, rtol=relative, atol=absolute * float(difference.abs().max()))

    def test_the_fast_form_has_no_second_derivatives(self) -> None:
        """Asking for them is an error, never a wrong number; so through the wrapper, unless positions require them."""
        model = self.wrapper("stock activation", "native")
        batch = batch_of(structures("mixed sizes"), torch.float32)
        forces = model(batch)["forces"]
        assert not batch.pos.requires_grad
        batch.pos.requires_grad_()
        with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
            torch.autograd.grad(forces.sum(), batch.pos)
        found = torch.autograd.grad(model(batch)["forces"][0, 0], batch.pos)[0]
        assert found.any()

    def test_without_gradients_nothing_is_kept(self) -> None:
        model = self.wrapper("IReLU in the output", "native").eval()
        with torch.no_grad():
            out = model(batch_of(structures("mixed sizes"), torch.float32))
        assert not out["energy"].requires_grad
        assert not out["forces"].requires_grad

    # ---- training ----

    @pytest.mark.slow
    def test_lockstep_training(self) -> None:
        """In float32: at each step, both paths have the gradients of the same weights, and ours takes the step."""
        ours, host = (self.wrapper("Mish elsewhere", accelerate) for accelerate in ("native", "off"))
        optimizer = torch.optim.Adam(ours.parameters(), lr=1e-3)
        for step in range(self.steps):
            first = self.lockstep_batch * step
            batch = batch_of(ethanols(self.lockstep_batch, first), torch.float32)
            labels = torch.cat(ethanol_forces(self.lockstep_batch, first)).float()
            with torch.no_grad():
                torch._foreach_copy_(list(host.parameters()), list(ours.parameters()))
            found, expected = (lockstep_gradients(model, batch, labels) for model in (ours, host))
            key, error = worst_error(found, expected)
            assert error < self.lockstep_tolerance, f"step {step}, {key}: {error:.1e}"
            for key, parameter in ours.named_parameters():
                parameter.grad = found.get(key)
            optimizer.step()


def outputs_and_gradients(model: Any, batch: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Return energies, forces, and the gradients of a loss of both by each parameter."""
    out = model(batch)
    return out["energy"], out["forces"], gradients(model, out["energy"], out["forces"])


def gradients(model: Any, energy: Tensor, forces: Tensor) -> dict[str, Tensor]:
    """Return the gradients of a loss of energies and forces; zero for parameters that it does not depend on."""
    weights = torch.linspace(0.5, 1.5, energy.numel(), dtype=energy.dtype).view_as(energy)
    loss = (weights * energy).sum() + energy.square().mean() + 30 * forces.square().mean()
    names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }


def lockstep_gradients(model: Any, batch: Any, labels: Tensor) -> dict[str, Tensor]:
    """Return gradients that do not vanish while the forces are learned: the energy is pulled down all the time."""
    out = model(batch)
    return gradients(model, out["energy"] - out["energy"].detach() + 1, out["forces"] - labels)


def assert_same(found: tuple[Any, Any, Any], expected: tuple[Any, Any, Any]) -> None:
    """Compare energies, forces and gradients, each relative to its tensor's largest value."""
    assert found[0].shape == expected[0].shape
    torch.testing.assert_close(found[0], expected[0], rtol=ENERGIES, atol=1e-14)
    scale = float(expected[1].detach().abs().max())
    torch.testing.assert_close(found[1], expected[1], rtol=0.0, atol=FORCES * max(scale, 1e-12))
    assert found[2].keys() == expected[2].keys()
    key, error = worst_error(found[2], expected[2])
    assert error < GRADIENTS, f"{key}: {error:.1e}"


def worst_error(found: dict[str, Tensor], expected: dict[str, Tensor]) -> tuple[str, float]:
    """Return the largest error of all tensors, relative to the largest value of its tensor, and the tensor's name."""
    scales = torch.stack([value.abs().max() for value in expected.values()])
    errors = torch.stack([(found[key] - value).abs().max() for key, value in expected.items()])
    worst, index = (errors / scales.clamp(min=max(ZERO * float(scales.max()), 1e-30))).max(0)
    return list(expected)[int(index)], float(worst)
