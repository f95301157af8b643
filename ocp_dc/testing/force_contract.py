"""The contract of wrappers for forces: gradients of the energy, and symmetries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest
import torch

from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close


class ForceContract(ABC):
    """Tests of forces against finite differences of the energy, and of energies and forces under symmetries."""

    # whether forces are the gradient of the energy if a dc: block changes anything
    conservative: ClassVar[bool] = True
    # a block that keeps the stock model's layers and makes forces the gradient of the energy
    conservative_dc: ClassVar[dict[str, Any] | None] = None
    # keys of the dc: block for BatchNorm, if it does not fit into the region ``output``
    insertion: ClassVar[dict[str, Any]] = {}
    # the reason if the model is not invariant under rotation
    not_invariant: ClassVar[str | None] = None
    # the dtype in which the model is compared with itself
    precision: ClassVar[torch.dtype] = torch.float64
    # the tolerance, relative to the largest value, of a model that uses a grid over the sphere; None for rounding only
    grid: ClassVar[float | None] = None

    @abstractmethod
    def build(self, name: str | None = None, **changes: Any) -> Any:
        """Build a model, by default the wrapper, from the same random numbers each time."""

    @abstractmethod
    def batch(self, structures: list[Any], dtype: torch.dtype = torch.float32) -> Any:
        """Return a batch of copies of the structures."""

    @pytest.fixture  # noqa: B027 - most models need nothing
    def float64(self) -> None:
        """Let the model run in float64; overridden for models that need changes for that."""

    @staticmethod
    def run(model: torch.nn.Module, batch: Any) -> dict[str, torch.Tensor]:
        """Run with the same random numbers each time: some models use random frames or dropout."""
        torch.manual_seed(1)
        return model(batch)

    @pytest.mark.usefixtures("float64")
    @pytest.mark.parametrize("region", ["none", "output", "paper", "full"])
    def test_forces_are_the_gradient_of_the_energy(self, structures: list[Any], region: str) -> None:
        """Forces match central differences of the energy, in float64."""
        dc = self.conservative_dc if region == "none" else {"activation": "irelu", "region": region}
        model = self.build(dc=dc).double().eval()
        assert model.conservative is self.conservative
        if not self.conservative:
            pytest.skip("the model predicts forces directly: there is no gradient to compare them with")
        self.check_forces(model, self.batch(structures[:1], torch.float64))

    @pytest.mark.usefixtures("float64")
    def test_forces_are_the_gradient_after_norms_and_dropout(self, structures: list[Any]) -> None:
        """Forces match in evaluation mode too, with running statistics that differ from the initial ones."""
        if not self.conservative:
            pytest.skip("the model predicts forces directly: there is no gradient to compare them with")
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
    def test_energy_is_invariant(self, structures: list[Any]) -> None:
        """Rotation and translation do not change the energy; forces rotate."""
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
    def test_translation_and_order_of_the_atoms(self, structures: list[Any]) -> None:
        """Neither changes the energy; forces follow the order of the atoms."""
        model = self.build(dc={"activation": "irelu", "region": "output"}).to(self.precision).eval()
        batch = self.batch(structures[:1], self.precision)
        out = model(batch)
        order = torch.randperm(len(batch.pos))
        batch.pos = batch.pos.detach()[order] + torch.tensor([1.0, -2.0, 0.5])
        batch.atomic_numbers = batch.atomic_numbers[order]
        moved = model(batch)
        self.agree(moved["energy"], out["energy"])
        self.agree(moved["forces"], out["forces"][order])
