"""From somebody's file to a trained potential, by the commands that are printed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from ase.io import read
from omegaconf import OmegaConf

import ocp_dc
from ocp_dc.core.errors import UserError
from ocp_dc.start.start import start

from tests.helpers.fairchem2_runs import command
from tests.helpers.own_data import molecules, oxides

SMALL = ["model.backbone.hidden_channels=16", "model.backbone.num_filters=16", "epochs=2"]


def test_three_commands_from_a_file_to_a_calculator(tmp_path: Path) -> None:
    molecules(tmp_path / "mine.xyz")
    done = command("init", "mine.xyz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: REF_energy is read as the energy" in done.stderr
    train, evaluate = (
        shlex.split(line)[1:]
        for line in done.stdout.splitlines()
        if (line.startswith("  ocp-dc") and "main" in line) or line.startswith("  ocp-dc evaluate")
    )
    done = command(*train, *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    done = command(*evaluate, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((tmp_path / "mine" / "evaluation" / "evaluation.json").read_text())["n_structures"] == 3
    atoms = read(tmp_path / "mine.xyz")
    atoms.calc = ocp_dc.calculator(tmp_path / "mine" / "first" / "results" / "best_inference_ckpt.pt")
    assert abs(atoms.get_potential_energy() - atoms.info["REF_energy"]) < 50


@pytest.mark.filterwarnings("ignore")
def test_periodic_structures_and_scale_factors(tmp_path: Path) -> None:
    started = start([oxides(tmp_path / "oxides.db", 16)], tmp_path / "out", model="gemnet_t", test=0, progress=False)
    config = OmegaConf.load(started.config)
    assert OmegaConf.to_container(config.model.backbone) == {
        "cutoff": 4.5,
        "use_pbc": True,
        "max_neighbors": 50,
        "scale_file": str(tmp_path / "out" / "scales.json"),
    }
    assert (tmp_path / "out" / "scales.json").is_file()
    assert (config.data_dir, config.test_dataloader) == (str(tmp_path / "out" / "data"), None)
    assert ".partial" not in started.config.read_text()
    with pytest.raises(UserError, match="Did you mean 'escaip'"):
        start([tmp_path / "oxides.db"], tmp_path / "other", model="escaap")
