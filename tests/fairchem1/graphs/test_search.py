"""The search gives fairchem's edges, in fairchem's order, also at the cutoff and among too many neighbors."""

from __future__ import annotations

import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.graphs.search import HostEdgeSearch
from ocp_dc.fallbacks.radius import radius_graph
from ocp_dc.graphs import search as search_module

from fairchem.core.common.utils import radius_graph_pbc  # isort: skip  # after the hooks, which let it import
from fairchem.core.models import base  # isort: skip

MANY = 10_000
CUTS = (MANY, 20, 7)


def structure(generator: torch.Generator, pbc: list[bool], *, skewed: bool, grid: bool, most: int = 10) -> Data:
    """Random atoms in a cell of 2 to 8 Å; on a grid many distances are the same."""
    atoms = int(torch.randint(1, most + 1, (), generator=generator))
    while True:
        cell = torch.diag(torch.rand(3, generator=generator) * 6 + 2)
        if skewed:
            cell = cell + torch.randn(3, 3, generator=generator) * 0.8
        if torch.linalg.det(cell) > 8:
            break
    fractional = torch.rand(atoms, 3, generator=generator)
    if grid:
        fractional = (4 * fractional).floor() / 4
    return Data(pos=fractional @ cell, cell=cell[None], pbc=torch.tensor([pbc]), natoms=atoms)


def rows(data: Batch, search: HostEdgeSearch) -> Tensor:
    edges = search.find(data)
    images = () if edges.images is None else edges.images.unbind(1)
    return torch.stack([edges.source, edges.target, *images])


def stock_rows(data: Batch, search: HostEdgeSearch) -> Tensor:
    index, images, _ = radius_graph_pbc(data, search.cutoff, search.max_neighbors, search.strict)
    return torch.cat([index, images.T.long()])


def brute_force(data: Data, cutoff: float) -> set[tuple[int, ...]]:
    """(source, target, image) in float64, with as many images as the cell and the extent of the atoms need."""
    positions, pbc = data.pos.double().numpy(), data.pbc[0].numpy()
    cell = np.where(pbc[:, None], data.cell[0].double().numpy(), 0.0)
    inverse = np.linalg.pinv(cell)
    reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + np.ptp(positions @ inverse, axis=0)).astype(int)
    found = set()
    for image in product(*(range(-n, n + 1) for n in np.where(pbc, reach, 0).tolist())):
        lengths = np.linalg.norm(positions[:, None] + np.array(image) @ cell - positions[None], axis=-1)
        found |= {(i, j, *image) for i, j in np.argwhere((lengths <= cutoff) & (lengths > 0.01)).tolist()}
    return found


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("pbc", [[True] * 3, [True, True, False], [False, True, False], [False] * 3])
def test_equals_fairchem_bit_for_bit(pbc, skewed, grid, strict):
    generator = torch.Generator().manual_seed(7)
    cut = 0
    for trial in range(30):
        size = int(torch.randint(1, 4, (), generator=generator))
        data = Batch.from_data_list([structure(generator, pbc, skewed=skewed, grid=grid) for _ in range(size)])
        cutoff = 1.5 + 5 * float(torch.rand((), generator=generator))
        search = HostEdgeSearch(cutoff, CUTS[trial % 3], True, strict)
        ours = rows(data, search)
        assert torch.equal(ours, stock_rows(data, search))
        cut += ours.shape[1] < rows(data, HostEdgeSearch(cutoff, 0, True)).shape[1]
    assert cut > 0 or not any(pbc)


@pytest.mark.parametrize("factor", [1 - 1e-7, 1.0, 1 + 1e-7])
@pytest.mark.parametrize("pbc", [[True] * 3, [False] * 3])
def test_equals_fairchem_at_the_cutoff(pbc, factor):
    generator = torch.Generator().manual_seed(11)
    at_cutoff = 0
    for _ in range(20):
        data = Batch.from_data_list([structure(generator, pbc, skewed=True, grid=False)])
        _, squared = HostEdgeSearch(6.0, 0, True).within_cutoff(data)
        if len(squared):
            search = HostEdgeSearch(math.sqrt(squared[len(squared) // 2].item()) * factor, MANY, True)
            ours = rows(data, search)
            assert torch.equal(ours, stock_rows(data, search))
            at_cutoff += ours.shape[1] > rows(data, HostEdgeSearch(search.cutoff * (1 - 1e-5), MANY, True)).shape[1]
    assert at_cutoff > 5 or factor < 1


def test_float64_positions_with_a_float32_cell():
    generator = torch.Generator().manual_seed(3)
    data = Batch.from_data_list([structure(generator, [True] * 3, skewed=True, grid=True) for _ in range(3)])
    data.pos = data.pos.double()
    assert torch.equal(rows(data, HostEdgeSearch(5.0, MANY, True)), stock_rows(data, HostEdgeSearch(5.0, MANY, True)))


def test_too_many_neighbors_in_float64():
    data = Batch.from_data_list([structure(torch.Generator().manual_seed(3), [True] * 3, skewed=True, grid=False)])
    cut = rows(data, HostEdgeSearch(5.0, 7, True))
    data.pos, data.cell = data.pos.double(), data.cell.double()  # fairchem fails here
    assert torch.equal(rows(data, HostEdgeSearch(5.0, 7, True)), cut)


def test_positions_far_outside_the_cell():
    generator = torch.Generator().manual_seed(5)
    for pbc in ([True] * 3, [True, False, True], [False, False, True]):
        data = structure(generator, pbc, skewed=True, grid=False)
        jumps = torch.randint(-3, 4, (data.natoms, 3), generator=generator) * torch.tensor(pbc)
        data.pos = (data.pos + jumps.float() @ data.cell[0]).double()
        data.cell = data.cell.double()
        found = rows(Batch.from_data_list([data]), HostEdgeSearch(4.0, MANY, True))
        assert set(map(tuple, found.T.tolist())) == brute_force(data, 4.0)


def test_different_boundaries_in_a_batch():
    generator = torch.Generator().manual_seed(6)
    kinds = [[True] * 3, [False] * 3, [True, True, False]]
    samples = [structure(generator, pbc, skewed=True, grid=False) for pbc in kinds]
    together = rows(Batch.from_data_list(samples), HostEdgeSearch(4.0, MANY, True))
    apart, start = [], 0
    for sample in samples:
        found = rows(Batch.from_data_list([sample]), HostEdgeSearch(4.0, MANY, True))
        found[:2] += start
        apart.append(found)
        start += sample.natoms
    assert torch.equal(together, torch.cat(apart, dim=1))


def test_an_open_direction_needs_no_cell_vector():
    data = structure(torch.Generator().manual_seed(8), [True, True, False], skewed=False, grid=False)
    whole = rows(Batch.from_data_list([data]), HostEdgeSearch(4.0, MANY, True))
    data.cell[:, 2] = 0.0
    assert torch.equal(rows(Batch.from_data_list([data]), HostEdgeSearch(4.0, MANY, True)), whole)


def test_without_pbc_all_directions_are_periodic():
    data = structure(torch.Generator().manual_seed(9), [True] * 3, skewed=False, grid=False)
    whole = rows(Batch.from_data_list([data]), HostEdgeSearch(4.0, MANY, True))
    del data.pbc
    assert torch.equal(rows(Batch.from_data_list([data]), HostEdgeSearch(4.0, MANY, True)), whole)


@pytest.mark.parametrize("most_dense", [0, search_module.MOST_DENSE])
@pytest.mark.parametrize("max_neighbors", [32, 3])
@pytest.mark.parametrize("grid", [False, True])
def test_open_structures_as_radius_graph(monkeypatch, grid, max_neighbors, most_dense):
    monkeypatch.setattr(search_module, "MOST_DENSE", most_dense)  # all distances, or the cell list
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        samples = [structure(generator, [False] * 3, skewed=False, grid=grid, most=40) for _ in range(4)]
        data = Batch.from_data_list(samples)
        expected = radius_graph(data.pos, 3.0, data.batch, max_num_neighbors=max_neighbors)
        assert torch.equal(rows(data, HostEdgeSearch(3.0, max_neighbors, False)), expected)


def test_a_compiled_radius_graph_chooses_the_neighbors(monkeypatch):
    def compiled(positions, cutoff, batch, max_num_neighbors):  # keeps the farthest
        return torch.tensor([[2, 1], [0, 2]])

    monkeypatch.setattr(base, "radius_graph", compiled)
    data = Batch.from_data_list([Data(pos=torch.arange(9.0).view(3, 3) / 5, natoms=3)])
    assert rows(data, HostEdgeSearch(9.0, 1, False)).tolist() == [[2, 1], [0, 2]]


@pytest.mark.parametrize("most_dense", [0, search_module.MOST_DENSE])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_broken_positions_have_no_edges(monkeypatch, value, periodic, most_dense):
    monkeypatch.setattr(search_module, "MOST_DENSE", most_dense)
    data = structure(torch.Generator().manual_seed(2), [True, True, False], skewed=False, grid=False, most=10)
    data.pos = torch.cat([data.pos, torch.full((1, 3), value)])
    data.natoms += 1
    found = rows(Batch.from_data_list([data]), HostEdgeSearch(3.0, 50, periodic))
    assert found.shape[1] > 0
    assert len(data.pos) - 1 not in found[:2]


def test_single_atom_and_no_edges():
    data = Batch.from_data_list([Data(pos=torch.zeros(1, 3), natoms=1, cell=30 * torch.eye(3)[None])])
    assert rows(data, HostEdgeSearch(3.0, 50, True)).shape == (5, 0)
    assert rows(data, HostEdgeSearch(3.0, 50, False)).shape == (2, 0)


def test_a_periodic_structure_without_a_cell_is_refused():
    data = Batch.from_data_list([Data(pos=torch.rand(2, 3), natoms=2, cell=torch.zeros(1, 3, 3))])
    with pytest.raises(UserError, match=r"structure 0 of a batch: got the cell .* expected cell vectors with a volume"):
        rows(data, HostEdgeSearch(3.0, 50, True))


def test_settings_of_a_model():
    model = SimpleNamespace(cutoff=6.0, max_neighbors=30, use_pbc=True, enforce_max_neighbors_strictly=False)
    assert HostEdgeSearch.of(model) == HostEdgeSearch(6.0, 30, True, strict=False)
    del model.enforce_max_neighbors_strictly
    assert HostEdgeSearch.of(model).strict
