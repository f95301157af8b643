"""The collater gives PyG's batch, and the in-memory dataset the stock dataset's samples."""

from __future__ import annotations

import copy

import pytest
import torch
from fairchem.core.datasets import data_list_collater
from fairchem.core.datasets.base_dataset import create_dataset
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.memory_dataset import LmdbInMemoryDataset


def sample(atoms: int, number: int, named: bool) -> Data:
    return Data(
        pos=torch.rand(atoms, 3),
        cell=torch.rand(1, 3, 3),
        atomic_numbers=torch.arange(atoms),
        natoms=atoms,
        y=-4209.123456789 + number,
        charge=torch.tensor(float(number)),
        force=torch.rand(atoms, 3),
        sid=f"system{number}" if named else number,
    )


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), named=st.booleans())
def test_equals_pygs_batch(sizes, named):
    samples = [sample(atoms, number, named) for number, atoms in enumerate(sizes)]
    ours, theirs = collate(samples, otf_graph=True), data_list_collater(samples, otf_graph=True)
    assert type(ours) is type(theirs)
    assert sorted(ours.keys()) == sorted(theirs.keys())
    for key in theirs.keys():  # noqa: SIM118 - a batch is no mapping
        if torch.is_tensor(theirs[key]):
            assert torch.equal(ours[key], theirs[key]), key
            assert ours[key].dtype == theirs[key].dtype, key
        else:
            assert ours[key] == theirs[key], key
    assert len(ours) == len(theirs) == len(sizes)
    for mine, original in zip(ours.to_data_list(), samples, strict=True):
        assert torch.equal(mine.pos, original.pos)
        assert mine.sid == original.sid
    assert torch.equal(copy.deepcopy(ours).pos, ours.pos)


def test_edges_go_to_pyg():
    samples = [Data(pos=torch.rand(2, 3), natoms=2, edge_index=torch.tensor([[0, 1], [1, 0]])) for _ in range(2)]
    batch = collate(samples, otf_graph=False)
    assert batch.edge_index.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert batch.neighbors.tolist() == [2, 2]


CONFIG = {"key_mapping": {"y": "energy", "force": "forces"}}


def test_in_memory_equals_stock(ethanol):
    stock = LmdbDataset({"src": str(ethanol / "val"), **CONFIG})
    memory = LmdbInMemoryDataset({"src": str(ethanol / "val"), **CONFIG})
    assert len(memory) == len(stock)
    for index in (3, 0, 3):
        assert memory[index].energy == stock[index].energy
        assert torch.equal(memory[index].forces, stock[index].forces)
        assert memory[index].id == stock[index].id
        assert "y" not in memory[index]


def test_reads_each_sample_once(ethanol, monkeypatch):
    memory = LmdbInMemoryDataset({"src": str(ethanol / "val"), **CONFIG})
    first = memory[2]
    monkeypatch.setattr(LmdbDataset, "__getitem__", lambda *_: pytest.fail("read again"))
    assert memory[2] is first


def test_subsets(ethanol):
    dataset = create_dataset(
        {"src": str(ethanol / "train"), "format": "lmdb_in_memory", "first_n": 7, **CONFIG}, "train"
    )
    assert len(dataset) == 7
    assert dataset[6].natoms == 9


def mixed() -> list[Data]:
    """Records of several programs: with more and with fewer names, and of other kinds."""
    full = sample(3, 0, named=False)
    full.update({"fixed": torch.tensor([1, 0, 0]), "tags": torch.tensor([0, 1, 2]), "fid": 3, "extra": 1.0})
    full.pbc = torch.tensor([[True, True, False]])
    bare = Data(pos=torch.rand(2, 3), atomic_numbers=torch.arange(2), natoms=2, y=1.0, sid="b", extra="text")
    slab = sample(1, 2, named=False)
    slab.cell[0, 2] = 0.0
    return [full, bare, slab]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("use_pbc", [False, True])
def test_records_with_and_without_a_value_share_a_batch(order, use_pbc):
    samples = [mixed()[number] for number in order]
    batch = collate(samples, otf_graph=True, use_pbc=use_pbc)
    of = [order.index(number) for number in range(3)]  # the place of each
    assert "force" not in batch
    assert "extra" not in batch
    assert [batch.fixed[batch.batch == place].tolist() for place in of] == [[1, 0, 0], [0, 0], [0]]
    assert [batch.tags[batch.batch == place].tolist() for place in of] == [[0, 1, 2], [0, 0], [0]]
    assert batch.pbc[of].tolist() == [[True, True, False], [False] * 3, [use_pbc, use_pbc, False]]
    assert batch.cell[of[1]].tolist() == torch.zeros(3, 3).tolist()
    assert [batch.sid[place] for place in of] == ["0", "b", "2"]
    assert batch.fid[of].tolist() == [3, 0, 0]
    assert "pbc" not in samples[order.index(2)]  # data sets in memory give the same object each time
