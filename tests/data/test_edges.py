from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.edges import add_edges, check_edges
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.sample import slab_sample_path
from ocp_dc.testing.tolerances import ROUNDING


def slab() -> Data:
    source = AseSource(slab_sample_path())
    data = to_data(source[0], sid=0)
    source.close()
    return data


def brute_force(data: Data, cutoff: float) -> dict[tuple[int, int], list[tuple[float, tuple[int, ...]]]]:
    """All pairs and images within two cells, as (atom, neighbor): [(distance, offset), ...]."""
    positions, cell = data.pos.double().numpy(), data.cell[0].double().numpy()
    reach = [range(-2, 3) if periodic else (0,) for periodic in data.pbc[0].tolist()]
    found: dict[tuple[int, int], list[tuple[float, tuple[int, ...]]]] = {}
    for i, j in itertools.product(range(len(positions)), repeat=2):
        for offset in itertools.product(*reach):
            distance = float(np.linalg.norm(positions[j] + np.array(offset) @ cell - positions[i]))
            if 1e-8 < distance < cutoff:
                found.setdefault((i, j), []).append((distance, offset))
    return found


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, False, False)])
def test_all_edges(pbc: tuple[bool, ...]) -> None:
    data = slab()
    data.pbc = torch.tensor([pbc])
    expected = brute_force(data, 4.5)
    add_edges(data, 4.5, 10_000)
    assert data.edge_index.shape == (2, sum(map(len, expected.values())))
    assert (data.edge_index.dtype, data.cell_offsets.dtype, data.distances.dtype) == (
        torch.int64,
        torch.int64,
        torch.float32,
    )
    found: dict[tuple[int, int], list] = {}
    for (j, i), offset, d in zip(
        data.edge_index.t().tolist(), data.cell_offsets.tolist(), data.distances.tolist(), strict=True
    ):
        found.setdefault((i, j), []).append((d, tuple(offset)))
    relative, absolute = ROUNDING[torch.float32]
    assert found.keys() == expected.keys()
    for pair, edges in found.items():
        offsets = {offset: d for d, offset in expected[pair]}
        assert {offset for _, offset in edges} == set(offsets)
        assert all(d == pytest.approx(offsets[offset], rel=relative, abs=absolute) for d, offset in edges)


def test_the_nearest_are_kept() -> None:
    whole, few = add_edges(slab(), 6.0, 10_000), add_edges(slab(), 6.0, 7)
    for atom in range(few.natoms):
        kept = few.distances[few.edge_index[1] == atom]
        assert len(kept) == 7
        assert torch.equal(kept, whole.distances[whole.edge_index[1] == atom].sort().values[:7])


def test_an_atom_alone_has_none() -> None:
    data = Data(pos=torch.zeros(1, 3), cell=torch.zeros(1, 3, 3), pbc=torch.zeros(1, 3, dtype=torch.bool))
    add_edges(data, 6.0, 50)
    assert data.edge_index.shape == (2, 0)
    assert data.cell_offsets.shape == (0, 3)


@pytest.mark.parametrize(("edges", "neighbors"), [(0.0, 50), (-1.0, 50), (float("nan"), 50), (6.0, 0)])
def test_mistakes(tmp_path: Path, edges: float, neighbors: int) -> None:
    counts = {"train": 1, "val": 0, "test": 0}
    with pytest.raises(UserError, match=r"edges: got a cutoff|max_neighbors: got"):
        prepare(slab_sample_path(), tmp_path / "out", format="ase", edges=edges, max_neighbors=neighbors, **counts)


@pytest.mark.parametrize(
    ("cutoff", "neighbors", "message"),
    [
        ("6", 50, r"edges: got a cutoff of '6', expected a length"),
        (True, 50, r"edges: got a cutoff of True"),
        (0.06, 50, r"edges: got a cutoff of 0\.06, shorter than any bond"),
        (6, 2.5, r"max_neighbors: got 2\.5, expected a whole number"),
        (6, True, r"max_neighbors: got True"),
    ],
)
def test_what_gives_no_edges(cutoff, neighbors, message):
    with pytest.raises(UserError, match=message):
        check_edges(cutoff, neighbors)
