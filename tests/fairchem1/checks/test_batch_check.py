"""Structures that a model cannot take, and predictions that are not finite: one message that names the structure."""

from __future__ import annotations

import copy
import json
import re
import shutil

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.fairchem1.checks.batch_check import check_batch, check_finite, largest_atomic_number

from tests.helpers.every_model import CASES, batch_of, structures, wrapper
from tests.helpers.runs import run_main

LARGEST = {"dc_schnet": 99, "dc_dimenetplusplus": 94, "dc_gemnet_t": 83, "dc_gp_gemnet_t": 83, "dc_painn": 83}


@pytest.mark.parametrize("name", CASES)
def test_elements_beyond_the_embedding(name):
    """What the check takes, the model takes, and not one number more."""
    model = wrapper(name).eval()
    largest = largest_atomic_number(model)
    if name in LARGEST:
        assert largest == LARGEST[name]
    if largest is None:
        assert name in ("dc_cgcnn", "dc_forcenet")  # tables of elements, which name what they lack
        return
    company = structures("molecules")[0]
    for number in (largest, largest + 1):
        batch = batch_of([company, Atoms([number, 1], [[0, 0, 0], [1.2, 0, 0]])])
        if number == largest:
            check_batch(model, batch)
            assert torch.isfinite(model(batch)["energy"]).all()
            continue
        with pytest.raises(UserError, match=rf"structure sid 1.*atomic number {number}.*up to {largest}"):
            check_batch(model, batch)
        with pytest.raises((IndexError, AssertionError)):
            model(batch)


def test_a_batch_of_one_atom_has_no_variance():
    model = wrapper("dc_forcenet")
    lone, two = batch_of([Atoms("O")]), batch_of([Atoms("O"), Atoms("H")])
    with pytest.raises(UserError, match=r"single atom.*optim\.batch_size"):
        check_batch(model.train(), lone)
    check_batch(model.train(), two)
    check_batch(model.eval(), lone)
    check_batch(wrapper("dc_schnet").train(), lone)


def test_tags_without_quadruplets(caplog):
    """They run, and say once what is missing."""
    batch = batch_of(structures("molecules"))
    batch.tags = torch.where(batch.batch == 0, 2, 0)
    every, some = wrapper("dc_gemnet_oc"), wrapper("dc_gemnet_oc", qint_tags=[1, 2])
    with caplog.at_level("WARNING"):
        check_batch(every, batch)
        assert not caplog.records
        check_batch(some, batch)
        check_batch(some, batch)
    (record,) = caplog.records
    assert "structure sid 1 fid" in record.message
    assert "tags [1, 2]" in record.message
    batch.tags = torch.zeros_like(batch.tags)
    assert torch.isfinite(some(batch)["forces"]).all()


@pytest.mark.parametrize(("of_atoms", "rows"), [(False, [1]), (True, [12, 13])])
def test_predictions_that_are_not_finite(of_atoms, rows):
    batch = batch_of(structures("molecules"))
    values = torch.zeros(18 if of_atoms else 2, 3 if of_atoms else 1)
    check_finite("output", values, batch, of_atoms)
    values[rows, 0] = torch.nan
    with pytest.raises(UserError, match=r"predicted output of structure sid 1 .*not finite"):
        check_finite("output", values, batch, of_atoms)


# ---- before the first step ----


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    ("number", "message"),
    [(100, r"dataset\.val: structure sid 3 .*100 \(Fm\)"), (9, r"dataset\.val: structure sid 3 .*for F, which is not")],
)
def test_every_split_is_looked_at(tmp_path, ethanol, small_config, capsys, listed, number, message):
    data = shutil.copytree(ethanol, tmp_path / "data")
    shutil.rmtree(data / "val")
    (data / "val").mkdir()
    strange = molecule("CH3CH2OH")
    strange.numbers[-1] = number
    found = [molecule("CH3CH2OH")] * 3 + [strange]
    frames = [atoms_frame(atoms, -310.0, np.zeros((9, 3))) for atoms in found]
    write_lmdb(data / "val" / "data.lmdb", [to_data(frame, sid=n) for n, frame in enumerate(frames)])
    record = json.loads((data / "dataset.json").read_text())
    record["elements"].append(strange.get_chemical_symbols()[-1])
    (data / "dataset.json").write_text(json.dumps(record))
    if not listed:
        (data / "dataset.json").unlink()
    config = small_config()
    config["dataset"] = copy.deepcopy(config["dataset"])
    for split in ("train", "val", "test"):
        config["dataset"][split]["src"] = str(data / split)
    run = run_main(tmp_path, config)
    assert run.status == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "Traceback" not in error
    assert re.search(message, error), error
    assert not list(tmp_path.rglob("checkpoint.pt"))


# ---- the calculator and evaluate ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda atoms: atoms[:0], r"no atoms"),
        (lambda atoms: Atoms([119], [[0, 0, 0]]), r"atomic number 119"),
        (lambda atoms: Atoms([100], [[0, 0, 0]]), r"atomic number 100 \(Fm\).*up to 99 \(Es\)"),
        (lambda atoms: Atoms(atoms.numbers, 1e20 * atoms.positions), r"1e4|10000"),
        (lambda atoms: Atoms(atoms.numbers, np.nan * atoms.positions), r"NaN or infinite"),
        (lambda atoms: Atoms(atoms.numbers, 0 * atoms.positions), r"atoms 0 and 1 are 0 Å apart"),
    ],
)
def test_structures_that_cannot_be_meant(trained, change, message):
    calculator = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    good = molecule("CH3CH2OH")
    energy = calculator.get_potential_energy(good)
    with pytest.raises(UserError, match=message):
        calculator.get_potential_energy(change(good))
    assert calculator.get_potential_energy(good) == energy


@pytest.mark.parametrize("cpu", ["no", 0, None])
def test_cpu_is_true_or_false(trained, cpu):
    with pytest.raises(UserError, match=r"cpu: got .*, expected True or False"):
        ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=cpu)


def test_weights_that_are_not_finite(trained, ethanol, tmp_path, capsys):
    """They pass every check of the file, and no command reports what comes out."""
    checkpoint = torch.load(trained.checkpoint("best_checkpoint.pt"), weights_only=True)
    next(value for value in checkpoint["state_dict"].values() if value.is_floating_point())[:] = torch.nan
    path = tmp_path / "nan.pt"
    torch.save(checkpoint, path)
    assert main(["evaluate", str(path), str(ethanol / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 2
    assert "not finite" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "e" / "evaluation.json").exists()
