"""dc_dimenetplusplus: the contract of every wrapper, exact and detached angles, and three atoms on a line."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrap
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.model_check import check_same_model
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.wrappers import DCDimeNetPlusPlus
from ocp_dc.fairchem1.wrappers.dimenetplusplus import spherical_basis
from ocp_dc.models.legendre import zonal_harmonics
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, assert_close

from tests.helpers.runs import DIMENETPLUSPLUS

ARGUMENTS = {key: value for key, value in DIMENETPLUSPLUS.items() if key != "name"}
BLOCKS = ARGUMENTS["num_blocks"]
EXACT = {"angle_gradients": "exact"}
# the function of the stock model, computed by the wrapper's own forward
DETACHED = {"activation": "silu", "region": "output", "angle_gradients": "stock"}
SMALL = 0.3
PLACES = 1 + (BLOCKS + 1) + 4 * BLOCKS  # embedding, output blocks, and in each interaction its own and three residuals


def randomize(model: torch.nn.Module) -> torch.nn.Module:
    """Fill the last layers, which start at zero: every energy would be zero, and agree with everything.

    The first features are kept small: squared at every layer, as with IReLU everywhere, larger ones overflow.
    """
    for block in model.output_blocks:
        torch.nn.init.normal_(block.lin.weight)
    with torch.no_grad():
        model.emb.lin.weight.mul_(SMALL)
    return model


def make(dc: dict[str, Any] | None = None, **changes: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return randomize(DCDimeNetPlusPlus(**{**ARGUMENTS, **changes}, dc=dc)).double().eval()


def make_stock(**changes: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return randomize(DimeNetPlusPlusWrap(**{**ARGUMENTS, **changes})).double().eval()


def molecule(positions: list[list[float]], numbers: list[int], **more: Any) -> Data:
    """A batch of one structure in float64."""
    data = Data(
        pos=torch.tensor(positions, dtype=torch.float64),
        atomic_numbers=torch.tensor(numbers, dtype=torch.float32),
        natoms=torch.tensor([len(numbers)]),
        batch=torch.zeros(len(numbers), dtype=torch.long),
        cell=torch.zeros(1, 3, 3, dtype=torch.float64),
    )
    data.update(more)
    return data


def carbon_dioxide() -> Data:
    return molecule([[0.0, 0.0, -1.16], [0.0, 0.0, 0.0], [0.0, 0.0, 1.16]], [8, 6, 8])


def one_sided_star(copies: int) -> Data:
    """Edges 1 -> 0 and 2, 3, 4 -> 1, given and not searched for: three triplets a copy, which do not interact."""
    positions = [[0.0, 0.0, 0.0], [1.2, 0.1, 0.0], [1.9, 1.0, 0.3], [1.8, -0.6, 0.8], [1.7, -0.3, -1.0]]
    data = molecule(positions * copies, [8, 6, 1, 1, 1] * copies)
    edges = torch.tensor([[1, 2, 3, 4], [0, 1, 1, 1]])
    data.edge_index = torch.cat([edges + 5 * copy for copy in range(copies)], dim=1)
    data.natoms = torch.full((copies,), 5)
    data.batch = torch.arange(copies).repeat_interleave(5)
    return data


def difference_of_energies(model: Any, batch: Any, atom: int, axis: int, step: float = 1e-5) -> float:
    """Central difference -dE/dx of the first structure, in eV/Å."""
    start, energies = batch.pos.detach().clone(), []
    for sign in (1, -1):
        moved = start.clone()
        moved[atom, axis] += sign * step
        batch.pos = moved
        energies.append(model(batch)["energy"].detach().flatten()[0])
    batch.pos = start
    return -(energies[0] - energies[1]).item() / (2 * step)


class TestDCDimeNetPlusPlus(Fairchem1WrapperContract):
    stock_name = "dimenetplusplus"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": BLOCKS + 1, "paper": BLOCKS + 1, "full": 1}  # one object in every place
    region_kept: ClassVar = {"output": PLACES - BLOCKS - 1, "paper": PLACES - BLOCKS - 1, "full": 0}
    conservative_dc: ClassVar = EXACT

    def build(self, name: str | None = None, **changes: Any) -> Any:
        return randomize(super().build(name, **changes))

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "paper"}).dc_report
        assert [swap.path for swap in report.swaps] == [f"output_blocks.{n}.act" for n in range(BLOCKS + 1)]
        (everywhere,) = self.build(dc={"activation": "irelu", "region": "full"}).dc_report.swaps
        assert len(everywhere.aliases) == PLACES - 1

    # ---- angles ----

    @pytest.mark.parametrize(
        ("dc", "angles"),
        [
            (None, "stock"),
            ({}, "stock"),
            ({"region": "none"}, "stock"),
            ({"angle_gradients": "stock"}, "stock"),
            (EXACT, "exact"),
            ({"elsewhere": "mish"}, "exact"),
            (DETACHED, "stock"),
        ],
    )
    def test_which_angles(self, dc, angles):
        model = self.build(dc=dc)
        assert model.angle_gradients == angles
        assert model.conservative is (angles == "exact")
        assert (model.dc_report is None) == (dc in (None, {}, EXACT, {"region": "none"}, {"angle_gradients": "stock"}))
        assert self.build(dc=dc, regress_forces=False).conservative is False

    @pytest.mark.parametrize("dc", [EXACT, DETACHED])
    def test_the_energy_is_that_of_the_stock_model(self, structures, dc):
        ours, stock = make(dc), make_stock()
        batch = self.batch(structures, torch.float64)
        out, reference = ours(batch), stock(self.batch(structures, torch.float64))
        assert_close(out["energy"], reference["energy"])
        if dc is DETACHED:
            assert_close(out["forces"], reference["forces"])

    def test_detached_angles_are_not_conservative(self, structures):
        """As fairchem's forces are; with exact angles the same comparison holds a thousand times tighter."""
        model, batch = make(DETACHED), self.batch(structures[:1], torch.float64)
        forces = model(batch)["forces"].detach()
        errors = [abs(difference_of_energies(model, batch, 0, axis) - forces[0, axis].item()) for axis in range(3)]
        assert max(errors) > 1000 * (FINITE_DIFFERENCE[0] * forces[0].abs().max().item() + FINITE_DIFFERENCE[1])


@pytest.mark.parametrize("dc", [EXACT, {"activation": "irelu"}, DETACHED])
def test_atoms_on_a_line(dc):
    """Forces are the gradient there too, and second derivatives are finite and right."""
    model, batch = make(dc), carbon_dioxide()
    batch.pos.requires_grad_()
    out = model(batch)
    rows = [torch.autograd.grad(out["forces"][0, axis], batch.pos, retain_graph=True)[0] for axis in range(3)]
    out["forces"].square().sum().backward()
    assert all(torch.isfinite(each).all() for each in (out["forces"], *rows))
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    if dc is not EXACT:
        return  # a jump in the second derivative, or a gradient that stops: no differences to compare with
    relative, absolute = FINITE_DIFFERENCE
    start, step = carbon_dioxide().pos, 1e-5
    for axis in (0, 2):  # off the line, and along it
        expected = difference_of_energies(model, carbon_dioxide(), 0, axis)
        assert out["forces"][0, axis].item() == pytest.approx(expected, rel=relative, abs=absolute)
        moved = []
        for sign in (1, -1):
            batch = carbon_dioxide()
            batch.pos = start.clone()
            batch.pos[0, axis] += sign * step
            moved.append(model(batch)["forces"][0].detach())
        slope = (moved[0] - moved[1]) / (2 * step)  # [3]
        gradient = torch.stack([row[0, axis] for row in rows])
        torch.testing.assert_close(gradient, slope, rtol=relative, atol=absolute)
    assert max(row.abs().max().item() for row in rows) > 1e-3


def test_exactly_three_triplets():
    """Without a dim, torch.cross takes the first one of size 3, that of the triplets; fairchem's model is mended."""
    twice = make_stock(otf_graph=False)(one_sided_star(2))["energy"]
    for model in (make_stock(otf_graph=False), *(make(dc, otf_graph=False) for dc in (None, EXACT, DETACHED))):
        assert_close(model(one_sided_star(1))["energy"][0], twice[0])


def test_without_a_batch():
    """One structure, and no index of structures."""
    model, batch = make(EXACT), carbon_dioxide()
    energy = model(batch)["energy"]
    batch.batch = None
    alone = model(batch)["energy"]
    assert alone.shape == (1,)
    assert_close(alone, energy[0])


def test_two_atoms_have_no_angles():
    data = molecule([[0.0, 0.0, 0.0], [0.0, 0.0, 1.1]], [7, 7])
    model, stock = make(EXACT), make_stock()
    assert_close(model(data)["forces"], stock(data)["forces"])


def test_with_periodic_boundaries(structures):
    """A cell of 6 Å, so that a triplet may end in an image of its first atom: the stock energy, and its gradient."""
    model, stock = make(EXACT, use_pbc=True), make_stock(use_pbc=True)
    data = structures[0].clone()
    data.cell, data.pbc = 6.0 * torch.eye(3).view(1, 3, 3), torch.ones(1, 3, dtype=torch.bool)
    batch = collate([data], otf_graph=True)
    batch.pos = batch.pos.double()
    out = model(batch)
    assert_close(out["energy"], stock(batch)["energy"])
    relative, absolute = FINITE_DIFFERENCE
    for axis in range(3):
        expected = difference_of_energies(model, batch, 1, axis)
        assert out["forces"][1, axis].item() == pytest.approx(expected, rel=relative, abs=absolute)


def test_basis_functions_are_those_of_the_layer():
    layer = make().sbf
    angles = torch.linspace(0, torch.pi, 50, dtype=torch.float64)
    expected = torch.stack([function(angles) for function in layer.sph_funcs], dim=1)
    assert_close(zonal_harmonics(angles.cos(), layer.num_spherical), expected)
    distances = torch.linspace(1.0, 5.5, 50, dtype=torch.float64)  # beyond the cutoff of 5 Å too
    order = torch.arange(50).flip(0)
    assert_close(spherical_basis(layer, distances, angles.cos(), order), layer(distances, angles, order))


def test_harmonics_are_orthonormal():
    """Over the sphere, by Gauss-Legendre quadrature in the cosine."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    values = zonal_harmonics(torch.from_numpy(nodes), 7)
    products = 2 * torch.pi * values.T @ (torch.from_numpy(weights)[:, None] * values)
    assert_close(products, torch.eye(7, dtype=torch.float64))


# ---- checkpoints ----


def check(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> None:
    model = make(ours)
    blocks = [{"name": "dc_dimenetplusplus", **ARGUMENTS, "dc": dc} for dc in (ours, theirs)]
    checkpoint = {"config": {"model": blocks[1]}, "state_dict": model.state_dict()}
    check_same_model(model, blocks[0], checkpoint, "best_checkpoint.pt", strict=True)


def test_a_checkpoint_with_other_angles_is_refused():
    irelu = {"activation": "irelu"}
    with pytest.raises(UserError, match="belongs to another model"):
        check(irelu, {**irelu, "angle_gradients": "stock"})
    with pytest.raises(UserError, match="belongs to another model"):
        check(None, EXACT)
    check(irelu, {**irelu, "angle_gradients": "exact", "region": "paper"})  # the same, spelled out
    check({"angle_gradients": "stock"}, None)
    check(EXACT, None)  # weights of a stock model may start such a training run
