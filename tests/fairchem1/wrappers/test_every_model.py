"""Every model through the whole job on slabs: trained by fairchem's main, evaluated, and used as a calculator."""

from __future__ import annotations

import copy
import json

import ase.io
import numpy as np
import pytest
from fairchem.core.common.relaxation.ase_utils import OCPCalculator

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.data.sample import slab_sample_path
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.every_model import CASES
from tests.helpers.runs import run_main

# energies of these depend on the frame that is drawn for each edge at each forward pass
RANDOM_FRAMES = ("dc_scn", "dc_escn", "dc_equiformer_v2")


@pytest.mark.parametrize("name", CASES)
def test_trains_and_predicts(tmp_path, small_config, slabs, name, capsys):
    case = CASES[name]
    model = {"otf_graph": True, **copy.deepcopy(case.arguments), "name": name}
    model.get("backbone", model)["use_pbc"] = True
    model["dc"] = {"activation": "irelu", "region": "output", **case.always}
    config = {**small_config(optim={"max_epochs": 1}), "model": model}
    for split in ("train", "val", "test"):
        config["dataset"][split] = {**config["dataset"][split], "src": str(slabs / split)}
    run = run_main(tmp_path, config)
    assert run.status == 0, capsys.readouterr().err
    assert run.load()["step"] == 3  # 30 slabs in batches of 10

    checkpoint = run.checkpoint("best_checkpoint.pt")
    assert main(["evaluate", str(checkpoint), str(slabs / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 0
    evaluation = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    every = list(ase.io.iread(slab_sample_path(), ":"))
    frames = [every[index] for index in np.load(slabs / "split.npz")["test"]]
    free = np.concatenate([np.isin(range(len(f)), f.constraints[0].index, invert=True) for f in frames])
    forces = np.concatenate([f.get_forces(apply_constraint=False) for f in frames])[free]
    energies = np.array([f.get_potential_energy() for f in frames])
    relative, absolute = (1e-2, 0.0) if name in RANDOM_FRAMES else FLOAT32_LABEL
    for calculator in (ocp_dc.calculator(checkpoint, cpu=True), OCPCalculator(checkpoint_path=checkpoint)):
        found = []
        for frame in frames:
            moving = frame.copy()
            moving.calc = calculator
            found.append((moving.get_potential_energy(), moving.get_forces(apply_constraint=False)))
        energy_mae = np.abs(np.array([energy for energy, _ in found]) - energies).mean()
        forces_mae = np.abs(np.concatenate([f for _, f in found])[free] - forces).mean()
        assert energy_mae == pytest.approx(evaluation["energy_mae"], relative, absolute)
        assert forces_mae == pytest.approx(evaluation["forces_mae"], relative, absolute)
