"""OC20's and OC22's own LMDBs and ASE's formats are read as they are, with their labels rescaled; none runs code."""

from __future__ import annotations

import os
import pickle
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from ase.db import connect
from ase.io import read, write
from fairchem.core.common.registry import registry
from torch_geometric.data import Data

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.sample import slab_sample_path
from ocp_dc.fairchem1.checks.config_check import check_references
from ocp_dc.fairchem1.train.transform import attach_rescaling, iterate_labels
from ocp_dc.labels import LabelOptions, fit
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.oc20_files import of_oc22, relaxations, slabs, write_shards

COUNT = 10
MAPPING = {"y": "energy", "force": "forces"}
ASE_ARGUMENTS = {"a2g_args": {"r_energy": True, "r_forces": True}}
LMDB_FORMATS = ("lmdb", "lmdb_in_memory")
ASE_FORMATS = ("traj in ase_read_multi", "xyz in ase_read", "db in ase_db", "aselmdb in ase_db")


def dataset(file_format: str, source: Path | str, **settings: Any) -> Any:
    return registry.get_dataset_class(file_format)({"src": str(source), **settings})


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("pyg", [1, 2])
@pytest.mark.parametrize("length", [False, True])
@pytest.mark.parametrize("file_format", LMDB_FORMATS)
def test_s2ef_shards(tmp_path, file_format, length, pyg):
    samples = slabs(COUNT, edges=True)
    folder = write_shards(tmp_path / "train", samples, pyg=pyg, length=length)
    assert check_lmdb(folder) == COUNT
    found = dataset(file_format, folder)
    assert len(found) == COUNT
    assert not found.metadata_hasattr("natoms")
    for index, expected in enumerate(samples):
        for key, value in expected.to_dict().items():
            assert np.array_equal(np.ravel(found[index][key]), np.ravel(value)), key
    assert found[COUNT - 1].id == "2_1"


@pytest.mark.parametrize("file_format", LMDB_FORMATS)
def test_is2re_shards(tmp_path, file_format):
    samples = relaxations(COUNT)
    folder = write_shards(tmp_path / "train", samples)
    assert check_lmdb(folder) == COUNT
    found = dataset(file_format, folder, key_mapping={"y_relaxed": "energy"})
    assert found[3].energy == samples[3].y_relaxed
    assert torch.equal(found[3].pos_relaxed, samples[3].pos_relaxed)
    labels = list(iterate_labels(found))
    assert [energy for _, energy, _ in labels] == [data.y_relaxed for data in samples]
    rescaling = fit(LabelOptions(center="composition", scale=2.0), labels)
    attach_rescaling(found, rescaling)
    center = float(rescaling.center(samples[3].atomic_numbers))
    assert found[3].energy == pytest.approx((samples[3].y_relaxed - center) / 2)
    assert found[3].y_init == pytest.approx((samples[3].y_init - center) / 2)


def oc20_reference(path: Path, samples: list[Data]) -> Path:
    path.write_bytes(pickle.dumps({f"random{int(data.sid)}": np.float64(-100.0 - int(data.sid)) for data in samples}))
    return path


def test_a_system_without_a_reference_is_named(tmp_path):
    samples = slabs(COUNT)
    last = int(samples[-1].sid)
    reference = oc20_reference(tmp_path / "oc20_ref.pkl", [data for data in samples if int(data.sid) != last])
    total = {"train_on_oc20_total_energies": True, "oc20_ref": str(reference), "key_mapping": MAPPING}
    oc20 = dataset("oc22_lmdb", write_shards(tmp_path / "oc20", samples), **total)
    assert oc20[0].energy != samples[0].y
    with pytest.raises(UserError, match=rf"oc20_ref\.pkl: no energy for 'random{last}'.*look like 'random"):
        oc20[COUNT - 1]


def test_oc22_and_oc20_in_total_energies(tmp_path):
    samples = slabs(COUNT, edges=True)
    reference = oc20_reference(tmp_path / "oc20_ref.pkl", samples)
    oc22 = dataset("oc22_lmdb", write_shards(tmp_path / "oc22", of_oc22(slabs(COUNT))), key_mapping=MAPPING)
    assert [oc22[index].energy for index in range(COUNT)] == [data.y for data in samples]
    total = {"train_on_oc20_total_energies": True, "oc20_ref": str(reference), "key_mapping": MAPPING}
    oc20 = dataset("oc22_lmdb", write_shards(tmp_path / "oc20", samples), **total)
    assert oc20[7].energy == pytest.approx(samples[7].y - 100.0 - int(samples[7].sid))
    assert "edge_index" not in oc20[7]


def test_a_hostile_reference_runs_nothing(tmp_path):
    folder = write_shards(tmp_path / "train", slabs(3))
    reference = tmp_path / "oc20_ref.pkl"
    reference.write_bytes(pickle.dumps({"random0": Touch(tmp_path / "ran")}))
    with pytest.raises(UnsafeDataError, match=r"refused .*mkdir"):
        dataset("oc22_lmdb", folder, train_on_oc20_total_energies=True, oc20_ref=str(reference))
    np.savez(tmp_path / "linear.npz", coeff=np.array([Touch(tmp_path / "ran")], dtype=object))
    with pytest.raises(UnsafeDataError, match="holds Python objects"):
        dataset("oc22_lmdb", folder, lin_ref=str(tmp_path / "linear.npz"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("at", [("data.0000.lmdb", "0"), ("data.0001.lmdb", "1"), ("data.0002.lmdb", "length")])
@pytest.mark.parametrize("file_format", [*LMDB_FORMATS, "oc22_lmdb"])
def test_a_hostile_shard_runs_nothing(tmp_path, file_format, at):
    folder = write_shards(tmp_path / "train", of_oc22(slabs(9)))
    with lmdb.open(str(folder / at[0]), subdir=False) as env, env.begin(write=True) as transaction:
        hostile = Data.__new__(Data)  # as PyG 1.x would have it
        hostile.__dict__.update(pos=torch.ones(1, 3), y=Touch(tmp_path / "ran"))
        transaction.put(at[1].encode(), pickle.dumps(hostile))

    def read_all() -> None:
        found = dataset(file_format, folder)
        for index in range(9):
            found[index]
        check_lmdb(folder)  # where the format takes no notice of length

    with pytest.raises(UnsafeDataError, match="refused"):
        read_all()
    assert not (tmp_path / "ran").exists()


def in_ase(kind: str, folder: Path) -> Any:
    """The first slabs as a data set of one of ASE's formats."""
    suffix, file_format = kind.split(" in ")
    frames = read(slab_sample_path(), f":{COUNT}")
    folder.mkdir()
    if file_format == "ase_db":
        database = connect(folder / f"slabs.{suffix}")
        for atoms in frames:
            database.write(atoms)
        getattr(database, "close", lambda: None)()
        return dataset(file_format, folder / f"slabs.{suffix}", **ASE_ARGUMENTS)
    if file_format == "ase_read":
        columns = ["symbols", "positions", "forces", "move_mask", "tags"]
        for index, atoms in enumerate(frames):
            write(folder / f"{index}.xyz", atoms, format="extxyz", columns=columns)
        return dataset(file_format, folder, pattern="*.xyz", **ASE_ARGUMENTS)
    write(folder / "slabs.traj", frames)
    return dataset(file_format, folder, pattern="*.traj", use_tqdm=False, **ASE_ARGUMENTS)


@pytest.fixture(scope="module")
def by_hand() -> dict[str, np.ndarray]:
    """Energies, and the RMS force over free atoms, from the sample itself."""
    frames = read(slab_sample_path(), f":{COUNT}")
    free = [atoms.calc.results["forces"][atoms.get_tags() > 0] for atoms in frames]
    energies = np.array([atoms.calc.results["energy"] for atoms in frames])
    return {"energies": energies, "rms": np.sqrt(np.mean(np.concatenate(free) ** 2))}


@pytest.mark.parametrize(
    ("kind", "mapped"),
    [(kind, mapped) for kind in (*LMDB_FORMATS, "oc22_lmdb") for mapped in (False, True)]
    + [(kind, False) for kind in ASE_FORMATS],
)
def test_label_rescaling_in_every_format(tmp_path, kind, mapped, by_hand):
    """The fit sees energies, and forces of free atoms; the samples come out rescaled by it."""
    if " in " in kind:
        found = in_ase(kind, tmp_path / "data")
    else:
        settings = {"key_mapping": MAPPING} if mapped else {}
        found = dataset(kind, write_shards(tmp_path / "data", of_oc22(slabs(COUNT))), **settings)
    energies = np.array([energy for _, energy, _ in iterate_labels(found)])
    relative, absolute = FLOAT32_LABEL
    np.testing.assert_allclose(np.sort(energies), np.sort(by_hand["energies"]), rtol=relative, atol=absolute)
    rescaling = fit(LabelOptions(center="mean", scale="forces_rms"), iterate_labels(found))
    assert rescaling.scale == pytest.approx(by_hand["rms"], rel=1e-6)
    assert rescaling.mean == pytest.approx(by_hand["energies"].mean(), rel=1e-6)
    plain = [found[index] for index in range(COUNT)]
    attach_rescaling(found, rescaling)
    energy, forces = ("energy", "forces") if "energy" in plain[0] else ("y", "force")
    assert energy == ("energy" if mapped or " in " in kind else "y")
    for index, before in enumerate(plain):
        after = found[index]
        assert after[energy] == pytest.approx((before[energy] - rescaling.mean) / rescaling.scale, rel=1e-6)
        torch.testing.assert_close(after[forces], before[forces] / rescaling.scale)
        assert torch.equal(after.fixed, before.fixed)


def test_labels_that_were_not_asked_for_are_named(tmp_path):
    write(tmp_path / "slabs.traj", read(slab_sample_path(), ":2"))
    found = dataset("ase_read_multi", tmp_path, use_tqdm=False)
    with pytest.raises(
        UserError, match=r"label_rescaling: /.*(sample|record) 0.* has no energy; it has .*a2g_args: \{r_energy: true"
    ):
        list(iterate_labels(found))


def test_forces_are_needed_for_their_rms_only(tmp_path):
    samples = slabs(3)
    for data in samples:
        del data.force
    labels = list(iterate_labels(dataset("lmdb", write_shards(tmp_path / "train", samples))))
    assert fit(LabelOptions(center="mean", scale=2.0), labels).scale == 2.0
    with pytest.raises(UserError, match="forces_rms needs forces"):
        fit(LabelOptions(scale="forces_rms"), labels)


def test_references_that_nothing_subtracts_are_refused():
    for block in ({"lin_ref": "a.npz"}, {"lin_ref": "a.npz", "format": "oc22_lmdb"}):
        with pytest.raises(UserError, match=r"dataset\.train\.lin_ref: .*center: composition"):
            check_references(block, block, "dataset.train")
    check_references({"lin_ref": "a.npz"}, {"format": "ase_db"}, "dataset.val")


@contextmanager
def watched_unpickling() -> Iterator[list[str]]:
    """Collect what is looked up by any unpickler meanwhile, by Python's own audit of it."""
    found: list[str] = []
    active = [True]

    def hook(event: str, arguments: tuple) -> None:
        if active[0] and event == "pickle.find_class":
            found.append(".".join(arguments))

    sys.addaudithook(hook)  # it stays for good, and does nothing later
    yield found
    active[0] = False


@pytest.mark.parametrize("kind", ASE_FORMATS)
def test_ases_formats_unpickle_nothing(tmp_path, kind):
    with watched_unpickling() as looked_up:
        found = in_ase(kind, tmp_path / "data")
        assert len([found[index] for index in range(COUNT)]) == COUNT
        assert looked_up == []
        pickle.loads(pickle.dumps(np.float64(1.0)))
        assert looked_up  # the watch works


def test_a_hostile_ase_lmdb_runs_nothing(tmp_path):
    in_ase("aselmdb in ase_db", tmp_path / "data")
    path = tmp_path / "data" / "slabs.aselmdb"
    for hostile in (pickle.dumps(Touch(tmp_path / "ran")), zlib.compress(pickle.dumps(Touch(tmp_path / "ran"), 0))):
        with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as transaction:
            transaction.put(b"1", hostile)
        with pytest.raises(Exception, match=r"Error -3|Expecting value|codec"):
            dataset("ase_db", path, **ASE_ARGUMENTS)[0]
    assert not (tmp_path / "ran").exists()
