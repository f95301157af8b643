"""Kept edges are those that a search would find, and are used only for the structures that they were found for."""

from __future__ import annotations

import logging
import pickle
from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader, Subset
from torch_geometric.data import Data

from ocp_dc.fairchem1.graphs.kept_edges import NAME, EdgeKeeper, kept_edges
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.memory_dataset import LmdbInMemoryDataset, keep_edges
from ocp_dc.fairchem1.wrappers.schnet import DCSchNet
from ocp_dc.graphs.search import EdgeSearch

SEARCH = EdgeSearch(3.0, 7, True)
SMALL = {"hidden_channels": 8, "num_filters": 8, "num_interactions": 1, "num_gaussians": 5, "otf_graph": True}


def samples(search: EdgeSearch = SEARCH, sizes: tuple[int, ...] = (5, 1, 8)) -> list[Data]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for atoms in sizes:
        cell = torch.diag(torch.tensor([3.0, 4.0, 5.0])) + torch.rand(3, 3, generator=generator)
        data = Data(
            pos=torch.rand(atoms, 3, generator=generator) @ cell, cell=cell[None], natoms=atoms, sid=atoms,
            pbc=torch.tensor([[True, True, False]]), atomic_numbers=torch.ones(atoms),
        )  # fmt: skip
        made.append(data)
    EdgeKeeper(search).attach(made)
    return made


def assert_found(batch, search):
    kept, found = kept_edges(batch, search), search.find(batch)
    assert kept is not None
    assert len(found.source) > 0
    assert torch.equal(kept.source, found.source)
    assert torch.equal(kept.target, found.target)
    assert (kept.images is None) is (found.images is None)
    assert kept.images is None or torch.equal(kept.images, found.images)


SEARCHES = [SEARCH, EdgeSearch(3.0, 50, True, strict=False), EdgeSearch(3.0, 3, True, False), EdgeSearch(3.0, 3, False)]


@pytest.mark.parametrize("search", SEARCHES)
def test_equal_to_a_search(search):
    batch = collate(samples(search), otf_graph=True)
    assert NAME not in batch  # invisible to PyG and fairchem
    assert_found(batch, search)
    assert_found(pickle.loads(pickle.dumps(batch)), search)  # as from a worker


OTHER_SETTINGS = [
    EdgeSearch(2.9, 7, True),
    EdgeSearch(3.0, 8, True),
    EdgeSearch(3.0, 7, False),
    EdgeSearch(3.0, 7, True, strict=False),
]


@pytest.mark.parametrize("search", OTHER_SETTINGS)
def test_not_used_with_other_settings(search):
    assert kept_edges(collate(samples(), otf_graph=True), search) is None


def moved(batch):
    batch.pos[0, 0] += 1e-4


def replaced(batch):
    batch.pos = batch.pos + 0.1


def strained(batch):
    batch.cell[1, 0, 0] *= 1.01


def opened(batch):
    batch.pbc[1, 0] = False


def double(batch):
    batch.pos = batch.pos.double()


def without_pbc(batch):
    del batch.pbc


@pytest.mark.parametrize("change", [moved, replaced, strained, opened, double, without_pbc])
def test_not_used_after_a_change(change):
    batch = collate(samples(), otf_graph=True)
    relaxed = batch.clone()
    change(relaxed)
    assert kept_edges(relaxed, SEARCH) is None
    assert_found(batch, SEARCH)


def test_not_used_if_a_sample_was_changed():
    made = samples()
    made[0].pos[0] += 0.1
    assert kept_edges(collate(made, otf_graph=True), SEARCH) is None


def test_a_batch_with_a_sample_without_edges_has_none():
    made = samples()
    del vars(made[1])[NAME]
    assert NAME not in vars(collate(made, otf_graph=True))


def test_a_choice_among_equal_distances_is_not_kept():
    single = Data(pos=torch.zeros(1, 3), cell=3 * torch.eye(3)[None], natoms=1, pbc=torch.ones(1, 3).bool())
    EdgeKeeper(EdgeSearch(3.5, 5, True)).attach([single])  # five of six images at 3 Å
    assert NAME not in vars(single)
    EdgeKeeper(EdgeSearch(3.5, 6, True)).attach([single])
    assert vars(single)[NAME].rows.shape == (5, 6)


@pytest.mark.parametrize("search", SEARCHES)
def test_found_together_as_found_alone(search):
    sizes = (5, 1, 8, 3, 5)
    together, alone = samples(search, sizes), samples(search, sizes)
    for sample in alone:
        del vars(sample)[NAME]
        EdgeKeeper(search).attach([sample])
    for left, right in zip(together, alone, strict=True):
        first, second = vars(left)[NAME], vars(right)[NAME]
        assert torch.equal(first.rows, second.rows)
        assert first.rows.dtype is torch.int32
        assert all(torch.equal(*pair) for pair in zip(first.geometry, second.geometry, strict=True))
        assert first.rows.untyped_storage().nbytes() == first.rows.nbytes  # not a view of those of all samples


def test_only_the_sample_with_a_choice_is_not_kept():
    cubic = {"pos": torch.zeros(1, 3), "natoms": 1, "pbc": torch.ones(1, 3).bool()}
    made = [Data(**cubic, cell=size * torch.eye(3)[None]) for size in (3.6, 3.0, 3.6, 3.45)]
    EdgeKeeper(EdgeSearch(3.5, 5, True)).attach(made)
    assert [NAME in vars(sample) for sample in made] == [True, False, True, False]


def test_samples_that_cannot_share_a_batch():
    made = [sample for _ in range(3) for sample in samples(sizes=(5,))]
    made[1].pos = made[1].pos.double()
    del made[2].pbc
    for sample in made:
        del vars(sample)[NAME]
    EdgeKeeper(SEARCH).attach(made)
    for sample in made:
        assert_found(collate([sample], otf_graph=True), SEARCH)


@pytest.mark.parametrize("together", [True, False])
def test_bound_on_memory(caplog, together):
    made = samples(sizes=(5, 5, 5, 1))
    size = vars(made[0])[NAME].nbytes
    for sample in made:
        del vars(sample)[NAME]
        sample.pos = made[0].pos[: len(sample.pos)]
        sample.cell = made[0].cell
    keeper = EdgeKeeper(SEARCH, most_bytes=int(1.9 * size))
    with caplog.at_level(logging.INFO):
        for part in [made] if together else [[sample] for sample in made]:
            keeper.attach(part)
    assert [NAME in vars(each) for each in made] == [True, False, False, False]  # also not a later, smaller one
    assert keeper.nbytes == size
    assert caplog.text.count("edges are kept for the samples read so far") == 1


@pytest.fixture
def memory(ethanol):
    return LmdbInMemoryDataset({"src": str(ethanol / "train"), "key_mapping": {"y": "energy", "force": "forces"}})


@pytest.fixture
def native():
    return DCSchNet(**SMALL, use_pbc=False, cutoff=6.0, dc={"accelerate": "native"})


def test_data_set_keeps_the_edges_of_native_models(memory, native, monkeypatch):
    keep_edges(memory, native)
    batch = collate([memory[index] for index in range(4)], otf_graph=True)
    assert_found(batch, native.edge_search)
    expected = native(batch)
    monkeypatch.setattr(EdgeSearch, "within_cutoff", lambda *_: pytest.fail("searched again"))
    again = native(collate([memory[index] for index in range(4)], otf_graph=True))
    assert torch.equal(again["forces"], expected["forces"])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_finds_the_edges_of_a_batch_by_one_search(memory, native, monkeypatch, workers):
    keep_edges(memory, native)
    searches = []
    search = EdgeSearch.within_cutoff

    def counted(settings, batch):
        searches.append(len(batch.natoms))
        return search(settings, batch)

    monkeypatch.setattr(EdgeSearch, "within_cutoff", counted)
    loader = DataLoader(
        Subset(memory, range(8)), batch_size=4, collate_fn=partial(collate, otf_graph=True), num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )  # fmt: skip
    batches = list(loader)
    assert searches == ([] if workers else [4, 4])  # a worker finds them itself
    for batch in batches:
        assert_found(batch, native.edge_search)


def test_samples_read_together_are_those_read_alone(memory, native):
    keep_edges(memory, native)
    first = memory[3]
    again = memory.__getitems__([2, 3, 2])
    assert again[1] is first
    assert again[0] is again[2] is memory[2]
    assert NAME in vars(again[0])


def test_stock_models_keep_no_edges(memory):
    keep_edges(memory, DCSchNet(**SMALL, use_pbc=False, cutoff=6.0))
    assert NAME not in vars(memory[0])


def test_transforms_discard_edges_and_pickles_have_none(memory, native):
    keep_edges(memory, native)
    first = memory[0]
    memory.transforms = type(memory.transforms)({})
    assert memory[0] is not first
    assert NAME in vars(memory[0])
    state = memory.__getstate__()
    assert state["_transformed"] == {}
    assert state["_keeper"].search == native.edge_search
    assert state["_keeper"].nbytes == 0


def test_stored_edges_are_not_searched():
    arguments = {**SMALL, "otf_graph": False, "use_pbc": True, "dc": {"accelerate": "native"}}
    assert DCSchNet(**arguments).edge_search is None
