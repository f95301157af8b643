"""Every data format gives the same tensors in the main process and in loader workers, forked or spawned."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from fairchem.core.common.registry import registry
from torch.utils.data import DataLoader
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.npz import NpzSource
from ocp_dc.data.sample import sample_path, slab_sample_path

from tests.helpers.oc20_files import of_oc22, write_shards

COUNT = 200
ASE_ARGUMENTS = {"a2g_args": {"r_energy": True, "r_forces": True, "r_pbc": True}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The first 200 ethanols and slabs: the samples themselves, and files of them."""
    folder = tmp_path_factory.mktemp("doors")
    with_sources: dict[str, NpzSource | AseSource] = {
        "ethanol": NpzSource(sample_path(), "rmd17", "eV"),
        "slabs": AseSource(slab_sample_path()),
    }
    samples = {name: [to_data(source[i], sid=i) for i in range(COUNT)] for name, source in with_sources.items()}
    for source in with_sources.values():
        source.close()
    for name, of_set in samples.items():
        (folder / name).mkdir()
        write_lmdb(folder / name / "data.lmdb", of_set)
    write_shards(folder / "oc22", of_oc22([sample.clone() for sample in samples["slabs"]]), pyg=2)
    with connect(str(folder / "ethanol.aselmdb"), type="aselmdb") as database:
        for sample in samples["ethanol"]:
            atoms = Atoms(sample.atomic_numbers.numpy(), sample.pos.double().numpy())
            atoms.calc = SinglePointCalculator(atoms, energy=sample.y, forces=sample.force.double().numpy())
            database.write(atoms)
    return {"folder": folder, **samples}


CASES = {  # data set, file, format and its settings
    "lmdb, ethanol": ("ethanol", "ethanol/data.lmdb", "lmdb", {}),
    "lmdb, slabs": ("slabs", "slabs", "lmdb", {}),
    "in memory": ("ethanol", "ethanol/data.lmdb", "lmdb_in_memory", {}),
    "oc22": ("slabs", "oc22", "oc22_lmdb", {}),
    "aselmdb": ("ethanol", "ethanol.aselmdb", "ase_db", ASE_ARGUMENTS),
}
KEYS = {"energy": "y", "forces": "force"}


@pytest.mark.parametrize(
    ("case", "workers", "start"),
    [
        *((case, workers, "fork") for case in CASES for workers in (0, 1, 2)),
        ("lmdb, slabs", 1, "spawn"),
    ],
)
def test_workers_read_what_was_written(made, case, workers, start):
    name, file, file_format, settings = CASES[case]
    dataset = registry.get_dataset_class(file_format)({"src": str(made["folder"] / file), **settings})
    assert len(dataset) == COUNT
    _ = dataset[0]  # opened here, before the workers start
    context = start if workers else None
    loader = DataLoader(dataset, batch_size=10, num_workers=workers, collate_fn=list, multiprocessing_context=context)
    found = [sample for batch in loader for sample in batch]
    for sample, expected in zip(found, made[name], strict=True):
        for key, value in expected.to_dict().items():
            other = next((ours for ours, theirs in KEYS.items() if theirs == key and ours in sample), key)
            if key in ("cell", "pbc", "sid", "fid", "fixed", "tags") and file_format == "ase_db":
                continue
            assert torch.equal(torch.as_tensor(sample[other]), torch.as_tensor(value)), key


def _read(reader: LmdbReader, keys: list[bytes], answers: Any) -> None:
    answers.put((os.getpid() == reader._process, [reader.get(key) for key in keys], os.getpid() == reader._process))


def test_a_reader_that_is_forked_opens_its_own(made):
    reader = LmdbReader(made["folder"] / "slabs" / "data.lmdb")
    keys = [b"0", b"7", b"199", b"length"]
    expected, environment = [reader.get(key) for key in keys], reader._environment
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_read, args=(reader, keys, answers))
    process.start()
    before, found, after = answers.get(timeout=600)
    process.join()
    assert (before, after) == (False, True)
    assert found == expected
    assert reader._environment is environment  # that of this process goes on
    assert reader.get(b"7") == expected[1]


def changed(sample: Data, **values: Any) -> Data:
    copy = sample.clone()
    for key, value in values.items():
        copy[key] = value(copy[key]) if callable(value) else value
    return copy


def at(index: int, value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def put(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[index] = value
        return tensor

    return put


FAULTS = {
    "positions are NaN or infinite": {"pos": at(4, np.nan)},
    "a coordinate of": {"pos": at(4, 1e12)},
    "atoms 0 and 1 are 0 Å apart": {"pos": lambda pos: torch.cat([pos[:1], pos[:1], pos[2:]])},
    "energy: NaN or infinite; bad data": {"y": float("inf")},
    "forces: NaN or infinite; bad data": {"force": at(0, np.inf)},
    "forces: got 1e": {"force": at(0, 1e30)},
    "force has shape": {"force": lambda force: force[:-1]},
    "natoms is not": {"natoms": 3},
    "got atomic number 0": {"atomic_numbers": at(2, 0)},
    "got atomic number 119": {"atomic_numbers": at(2, 119)},
    "has no atoms": {"pos": torch.zeros(0, 3), "atomic_numbers": torch.zeros(0).long(), "natoms": 0},
    "without a cell|vector 1 is zero": {"pbc": torch.ones(1, 3, dtype=torch.bool)},
    "fixed has 2 entries": {"fixed": torch.zeros(2)},
    "names atoms that it does not have": {"edge_index": torch.tensor([[0, 1], [1, 99]])},
}


@pytest.mark.parametrize("message", FAULTS)
@pytest.mark.parametrize("file_format", ["lmdb", "lmdb_in_memory"])
def test_a_record_that_cannot_be_meant_is_named(made, tmp_path, file_format, message):
    samples = [s.clone() for s in made["ethanol"][:6]]
    samples[3] = changed(samples[3], **FAULTS[message])
    samples[3].num_nodes = None
    write_lmdb(tmp_path / "data.lmdb", samples)
    dataset = registry.get_dataset_class(file_format)({"src": str(tmp_path / "data.lmdb")})
    assert len(dataset[2].pos) == 9
    for workers in (0, 1) if (file_format, message) == ("lmdb", "natoms is not") else (0,):  # torch waits 5 s
        loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=list)
        with pytest.raises(UserError, match=rf"^\S*data\.lmdb: record 3: .*({message})") as error:
            list(loader)
        assert "Traceback" not in str(error.value)


def test_structures_of_ase_s_formats_are_checked(made, tmp_path):
    with connect(str(tmp_path / "bad.db")) as database:
        for index in range(3):
            atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.7 if index != 1 else 0.0]])
            atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((2, 3)))
            database.write(atoms)
    dataset = registry.get_dataset_class("ase_db")({"src": str(tmp_path / "bad.db"), **ASE_ARGUMENTS})
    assert len(dataset[0].pos) == 2
    with pytest.raises(UserError, match=r"bad\.db: row 2: atoms 0 and 1 are 0 Å apart"):
        dataset[1]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (None, "no energy, which a2g_args.r_energy asks for; it has no results"),
        ({"energy": 1.0}, "no forces, which .*; its results are energy"),
        ({"free_energy": 1.0, "forces": np.zeros((2, 3))}, "no energy, which .*; its results are forces, free_energy"),
        ({"energy": 1.0, "forces": np.zeros((3, 3))}, r"forces of shape \(3, 3\), expected \(2, 3\)"),
    ],
)
def test_labels_that_structures_of_ase_s_formats_lack(tmp_path, results, message):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 0.7]])
    if results is not None:
        atoms.calc = SinglePointCalculator(atoms, **results)
    with connect(str(tmp_path / "bad.db")) as database:
        database.write(atoms)
    dataset = registry.get_dataset_class("ase_db")({"src": str(tmp_path / "bad.db"), **ASE_ARGUMENTS})
    with pytest.raises(UserError, match=rf"bad\.db: row 1: {message}"):
        dataset[0]


def test_a_record_without_a_number_gets_its_own(made, tmp_path):
    samples = [s.clone() for s in made["ethanol"][:3]]
    for sample in samples:
        del sample.sid
    write_lmdb(tmp_path / "data.lmdb", samples)
    dataset = registry.get_dataset_class("lmdb")({"src": str(tmp_path / "data.lmdb")})
    assert [dataset[index].sid for index in range(3)] == [0, 1, 2]


def test_paths_in_pickles(made):
    """A data set is unpickled by way of a module that puts the hooks in force."""
    dataset = registry.get_dataset_class("lmdb")({"src": str(made["folder"] / "slabs")})
    named = [argument for opcode, argument, _ in pickletools.genops(pickle.dumps(dataset)) if argument]
    assert named.index("ocp_dc.fairchem1.host_patches.dataset_readers") < named.index(
        "fairchem.core.datasets.lmdb_dataset"
    )
    assert Path(pickle.loads(pickle.dumps(dataset)).config["src"]) == made["folder"] / "slabs"


def test_a_database_kept_in_memory_can_be_sent_to_a_process(made):
    config = {"src": str(made["folder"] / "ethanol.aselmdb"), "keep_in_memory": True, **ASE_ARGUMENTS}
    dataset = registry.get_dataset_class("ase_db")(config)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.dbs[0]._env is None
    assert torch.equal(copy[7].pos, dataset[7].pos)
