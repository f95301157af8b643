"""Checkpoints and configs of earlier versions still load: see tests/old_runs/README.md."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import ase
import numpy as np
import pytest
import torch

import ocp_dc
from ocp_dc import pinn
from ocp_dc.cli import main
from ocp_dc.data.safe_npz import load_npz
from ocp_dc.data.sample import sample_path
from ocp_dc.testing.tolerances import FLOAT32_BATCH

VERSIONS = sorted(path for path in (Path(__file__).parent / "old_runs").iterdir() if path.is_dir())
RUNS = [version / name for version in VERSIONS for name in ("schnet", "cgcnn")]


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_predictions_are_those_of_the_old_version(run):
    sample = load_npz(sample_path())
    calculator = ocp_dc.calculator(run / "best_checkpoint.pt", cpu=True)
    for coords, expected in zip(sample["coords"], json.loads((run / "predictions.json").read_text()), strict=False):
        atoms = ase.Atoms(sample["nuclear_charges"], coords, calculator=calculator)
        assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=1e-9, abs=1e-5)
        np.testing.assert_allclose(atoms.get_forces(), expected["forces"], *FLOAT32_BATCH)


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_the_host_loads_old_checkpoints(run):
    from ocp_dc import fairchem1 as _hooks  # noqa: F401, I001  # before the host

    from fairchem.core.common.relaxation.ase_utils import OCPCalculator

    sample, expected = load_npz(sample_path()), json.loads((run / "predictions.json").read_text())[0]
    calculator = OCPCalculator(checkpoint_path=str(run / "best_checkpoint.pt"), cpu=True)
    atoms = ase.Atoms(sample["nuclear_charges"], sample["coords"][0], calculator=calculator)
    assert atoms.get_potential_energy() == pytest.approx(expected["energy"], rel=1e-6)
    np.testing.assert_allclose(atoms.get_forces(), expected["forces"], *FLOAT32_BATCH)


@pytest.mark.parametrize("run", RUNS, ids=named)
def test_an_old_run_goes_on_with_its_saved_config(run, ethanol, tmp_path):
    sources = [f"--dataset.{split}.src={ethanol / split}" for split in ("train", "val", "test")]
    arguments = ["--checkpoint", str(run / "checkpoint.pt"), "--optim.max_epochs=3", *sources]
    command = ["main", "--mode", "train", "--config-yml", str(run / "config.yml"), "--cpu", "--run-dir", str(tmp_path)]
    assert main([*command, "--timestamp-id", "new", *arguments]) == 0
    new = torch.load(tmp_path / "checkpoints" / "new" / "checkpoint.pt", weights_only=True)
    old = torch.load(run / "checkpoint.pt", weights_only=True)
    assert (old["step"], new["step"]) == (8, 12)
    for key in ("trainer", "model"):
        assert new["config"][key] == old["config"][key]
    with (tmp_path / "results" / "new" / "validation.csv").open(newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["12"]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_an_old_physics_informed_run_loads_and_goes_on(version, tmp_path, caplog):
    run = version / "pinn_advection"
    assert pinn.load(run / "model.pt").iteration == 30
    out = tmp_path / "advection"
    shutil.copytree(run, out, ignore=shutil.ignore_patterns("test.json"))
    config = pinn.resolve(run / "config.yml")
    before = json.loads((run / "test.json").read_text())["overall"]
    after = pinn.train(config, out, cpu=True, progress=False)["overall"]
    assert after == pytest.approx(before, rel=1e-5)
    assert "is of an earlier version, so it cannot be checked" in caplog.text
