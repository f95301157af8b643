"""What every wrapper must hold, as a base class: a subclass supplies fixtures and its region table's counts."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
import torch
from fairchem.core.common.registry import registry

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.nn import IReLU

from tests.helpers.tolerances import FINITE_DIFFERENCE, assert_close

# activations by the names of torch's operations; sigmoid and tanh are gates as well, and not among them
ACTIVATION_OPERATIONS = {f"{name}Backward0" for name in ("Silu", "Softplus", "Mish", "Gelu", "Elu", "LeakyRelu")}


def operations(result: torch.Tensor) -> set[str]:
    """Return the names of the operations that a tensor was computed by, whoever called them."""
    nodes, seen = [result.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [parent for parent, _ in node.next_functions]
    return {node.name() for node in seen}


class WrapperContract:
    """Subclasses set the names and arguments, and the fixture ``structures``: a list of samples with labels."""

    stock_name: ClassVar[str]
    arguments: ClassVar[dict[str, Any]]
    # region -> how many activations it holds, a shared one counted once
    region_counts: ClassVar[dict[str, int]]
    # region -> how many places it leaves alone, for models that share one activation object between places
    region_kept: ClassVar[dict[str, int] | None] = None
    conservative: ClassVar[bool] = True
    # the block with which the layers are the stock model's and forces are the gradient of the energy
    conservative_dc: ClassVar[dict[str, Any] | None] = None
    # what goes with every dc: block, and asks for nothing by itself
    dc_always: ClassVar[dict[str, Any]] = {}
    # the arguments of the stock model where they are not the wrapper's
    stock_arguments: ClassVar[dict[str, Any] | None] = None
    # denormalize -> how many norms it takes out
    norms: ClassVar[dict[str, int]] = {"batchnorm": 0, "layernorm": 0, "all": 0}
    # where BatchNorm can go, if not into the region ``output``
    insertion: ClassVar[dict[str, Any]] = {}
    # why the model is not invariant under rotation, where it is not
    not_invariant: ClassVar[str | None] = None
    # what the model runs in, where it is compared with itself
    precision: ClassVar[torch.dtype] = torch.float64
    # how far energies and forces may be off, of the largest, where a grid over the sphere makes them; None is rounding
    grid: ClassVar[float | None] = None

    @pytest.fixture
    def float64(self) -> None:
        """For models that run in float64 only with help; they override it."""

    def kept(self, region: str) -> int:
        if self.region_kept is not None:
            return self.region_kept[region]
        return self.region_counts["full"] - self.region_counts[region]

    @property
    def name(self) -> str:
        return f"dc_{self.stock_name}"

    def build(self, name: str | None = None, **changes: Any) -> Any:
        if changes.get("dc") is not None:
            changes["dc"] = {**changes["dc"], **self.dc_always}
        is_stock = name == self.stock_name and self.stock_arguments is not None
        arguments: Any = self.stock_arguments if is_stock else self.arguments
        torch.manual_seed(0)
        return registry.get_model_class(name or self.name)(**{**copy.deepcopy(arguments), **changes})

    @staticmethod
    def run(model: torch.nn.Module, batch: Any) -> dict[str, torch.Tensor]:
        """Forward with the same random numbers each time: some models draw a frame for each edge, or drop out."""
        torch.manual_seed(1)
        return model(batch)

    def batch(self, structures: list[Any], dtype: torch.dtype = torch.float32) -> Any:
        batch = collate([copy.copy(s) for s in structures], otf_graph=True)
        batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
        return batch

    # ---- without dc: the stock model ----

    @pytest.mark.parametrize("dc", [None, {}, {"activation": "original"}, {"region": "none"}])
    def test_that_asks_for_nothing_is_the_stock_model(self, structures, dc):
        stock, wrapper = self.build(self.stock_name), self.build(dc=dc)
        assert wrapper.dc_report is None
        for model in (stock, wrapper):
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
            for _ in range(2):
                out = self.run(model, self.batch(structures))
                loss = out["energy"].abs().mean() + 30 * out["forces"].abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.last = out
        for key in ("energy", "forces"):
            assert torch.equal(stock.last[key], wrapper.last[key])
        ours = dict(wrapper.named_parameters())
        for name, parameter in stock.named_parameters():
            assert torch.equal(parameter, ours[name]), name
            assert (parameter.grad is None) == (ours[name].grad is None) == (not parameter.requires_grad), name
            assert parameter.grad is None or torch.equal(parameter.grad, ours[name].grad), name

    def test_draws_the_random_numbers_of_the_stock_model(self):
        """Arms that differ in activations start from the same weights."""
        stock = self.build(self.stock_name).state_dict()
        swapped = self.build(dc={"activation": "irelu", "region": "full"}).state_dict()
        assert stock.keys() == swapped.keys()
        assert all(torch.equal(value, swapped[name]) for name, value in stock.items())

    def test_exchanges_checkpoints_with_the_stock_model(self):
        stock, wrapper = self.build(self.stock_name), self.build(dc={"activation": "irelu", "region": "output"})
        wrapper.load_state_dict(stock.state_dict(), strict=True)
        stock.load_state_dict(wrapper.state_dict(), strict=True)

    # ---- surgery ----

    @pytest.mark.parametrize("region", ["output", "paper", "full"])
    def test_region_counts(self, region):
        report = self.build(dc={"activation": "irelu", "region": region}).dc_report
        assert report.swapped == self.region_counts[region]
        assert all(swap.now == repr(IReLU()) for swap in report.swaps)
        assert len(report.kept) == self.kept(region)

    def test_elsewhere_reaches_the_rest(self):
        report = self.build(dc={"activation": "irelu", "region": "output", "elsewhere": "mish"}).dc_report
        assert report.swapped == self.region_counts["output"]
        assert report.swapped_elsewhere == self.kept("output")

    def test_no_original_activation_runs_in_the_region(self, structures):
        """Traced: what runs in a forward pass, and not what the modules claim."""
        model = self.build(dc={"activation": "irelu", "region": "full"})
        seen: set[str] = set()
        for module in model.modules():
            module.register_forward_hook(lambda module, _, __: seen.add(type(module).__name__))
        out = model(self.batch(structures))
        assert "IReLU" in seen
        stock = self.build()(self.batch(structures))
        for key in ("energy", "forces"):
            assert operations(stock[key]) & ACTIVATION_OPERATIONS
            assert not operations(out[key]) & ACTIVATION_OPERATIONS  # called as functions, out of reach of a swap
        assert not seen & {"ShiftedSoftplus", "ScaledSiLU", "SiLU", "SmoothLeakyReLU", "Softplus", "Swish"}

    # ---- insertion ----

    def test_insertion_keeps_the_stock_parameters(self, structures):
        """Their names and initial values, so that arms differ in what is inserted only; no random number is drawn."""
        stock = self.build(self.stock_name).state_dict()
        model = self.build(dc={"dropout": 0.2, "insert_norm": "batchnorm", **self.insertion})
        random_state = torch.get_rng_state()
        found = model.state_dict()
        assert [name for name in found if ".norm." not in name or name in stock] == list(stock)
        assert all(torch.equal(found[name], value) for name, value in stock.items())
        assert found.keys() > stock.keys()
        self.build(dc={"activation": "irelu"})
        assert torch.equal(torch.get_rng_state(), random_state)
        dropout = self.build(dc={"dropout": 0.2, "insert_region": "full"})
        assert dropout.state_dict().keys() == stock.keys()
        for each in (model, dropout):
            batch = self.batch(structures)
            trained, again = each(batch)["energy"], each(batch)["energy"]
            assert not torch.equal(trained, again)
            each.eval()
            assert torch.equal(self.run(each, batch)["energy"], self.run(each, batch)["energy"])

    # ---- forces ----

    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("region", ["none", "output", "paper", "full"])
    def test_forces_are_the_gradient_of_the_energy(self, structures, region):
        """Central differences of the energy, in float64."""
        dc = self.conservative_dc if region == "none" else {"activation": "irelu", "region": region}
        model = self.build(dc=dc).double().eval()
        assert model.conservative is self.conservative
        if not self.conservative:
            pytest.skip("forces are predicted beside the energy: there is no gradient to compare with")
        self.check_forces(model, self.batch(structures[:1], torch.float64))

    @pytest.mark.usefixtures("float64")
    def test_forces_are_the_gradient_behind_norms_and_dropout(self, structures):
        """At evaluation, with running statistics other than those at first."""
        if not self.conservative:
            pytest.skip("forces are predicted beside the energy: there is no gradient to compare with")
        block = {
            "activation": "irelu",
            "region": "output",
            "dropout": 0.2,
            "insert_norm": "batchnorm",
            **self.insertion,
        }
        model = self.build(dc=block).double()
        stock = self.build(dc={"activation": "irelu", "region": "output"}).double().eval()
        batch = self.batch(structures, torch.float64)
        for _ in range(2):
            self.run(model, batch)
        assert not torch.allclose(self.run(model.eval(), batch)["energy"], self.run(stock, batch)["energy"], rtol=1e-3)
        self.check_forces(model, self.batch(structures[:1], torch.float64))

    def check_forces(self, model: torch.nn.Module, batch: Any) -> None:
        """Compare with central differences of the energy along each coordinate of three atoms."""
        forces = self.run(model, batch)["forces"].detach()
        start, step = batch.pos.detach().clone(), 1e-5
        for atom in range(3):
            for axis in range(3):
                energies = []
                for sign in (1, -1):
                    moved = start.clone()
                    moved[atom, axis] += sign * step
                    batch.pos = moved
                    energies.append(self.run(model, batch)["energy"].detach())
                difference = -(energies[0] - energies[1]).item() / (2 * step)
                relative, absolute = FINITE_DIFFERENCE
                assert forces[atom, axis].item() == pytest.approx(difference, rel=relative, abs=absolute)

    def agree(self, actual: torch.Tensor, expected: torch.Tensor) -> None:
        """Compare to rounding, or to the accuracy of the model's grid."""
        if self.grid is None:
            assert_close(actual, expected)
        else:
            assert (actual - expected).abs().max() <= self.grid * expected.abs().max()

    @pytest.mark.usefixtures("float64")
    def test_energy_is_invariant(self, structures):
        if self.not_invariant:
            pytest.skip(self.not_invariant)
        model = self.build(dc={"activation": "irelu", "region": "output"}).to(self.precision).eval()
        batch = self.batch(structures, self.precision)
        out = model(batch)
        rotation = torch.linalg.qr(torch.randn(3, 3, dtype=self.precision)).Q
        batch.pos = batch.pos.detach() @ rotation.T + torch.tensor([1.0, -2.0, 0.5])
        turned = model(batch)
        self.agree(turned["energy"], out["energy"])
        self.agree(turned["forces"], out["forces"] @ rotation.T)

    @pytest.mark.usefixtures("float64")
    def test_translation_and_order_of_the_atoms(self, structures):
        model = self.build(dc={"activation": "irelu", "region": "output"}).to(self.precision).eval()
        batch = self.batch(structures[:1], self.precision)
        out = model(batch)
        order = torch.randperm(len(batch.pos))
        batch.pos = batch.pos.detach()[order] + torch.tensor([1.0, -2.0, 0.5])
        batch.atomic_numbers = batch.atomic_numbers[order]
        moved = model(batch)
        self.agree(moved["energy"], out["energy"])
        self.agree(moved["forces"], out["forces"][order])

    # ---- mistakes ----

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"dc": {"activation": "irelo"}}, r"irelo.*Did you mean 'irelu'"),
            ({"dc": {"activation": "irelu", "region": "outputs"}}, r"outputs.*Did you mean 'output'"),
            ({"dc": {"activation": "irelu", "region": ["no_such_block"]}}, r"matches no activation"),
            ({"dc": {"activaton": "irelu"}}, r"activaton.*Did you mean 'activation'"),
            ({"no_such_argument": 1}, r"no_such_argument"),
        ],
    )
    def test_mistakes_are_named(self, changes, message):
        with pytest.raises(UserError, match=message):
            self.build(**changes)

    @pytest.mark.parametrize("which", ["batchnorm", "layernorm", "all"])
    def test_denormalize(self, which):
        report = self.build(dc={"denormalize": which, "activation": "irelu"}).dc_report
        assert len(report.removals) == self.norms[which]
        if self.norms[which] == 0:
            with pytest.raises(UserError, match="finds no such layer"):
                self.build(dc={"denormalize": which})
        else:
            alone = self.build(dc={"denormalize": which}).dc_report
            assert (alone.removals, alone.swaps) == (report.removals, ())
