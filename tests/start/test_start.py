"""From somebody's file to a trained potential, by the commands that are printed."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
import yaml
from ase.io import read

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.structures import ReadOptions
from ocp_dc.start.start import start

from tests.helpers.own_data import molecules, oxides

SMALL = ["--model.hidden_channels=16", "--model.num_filters=16", "--model.num_interactions=2", "--optim.max_epochs=2"]


def follow(command: str, *more: str) -> int:
    program, *arguments = shlex.split(command)
    assert program == "ocp-dc"
    return main([*arguments, *more])


def test_three_commands_from_a_file_to_a_calculator(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.chdir(tmp_path)
    molecules(tmp_path / "mine.xyz")
    assert main(["init", "mine.xyz"]) == 0
    shown = capsys.readouterr()
    assert "note: REF_energy is read as the energy" in caplog.text
    assert "1 formula: C10H17 (30)" in shown.out
    commands = [line.strip() for line in shown.out.splitlines() if line.startswith("  ocp-dc")]
    assert len(commands) == 2
    config = yaml.safe_load((tmp_path / "mine" / "schnet.yml").read_text())
    assert config["model"]["use_pbc"] is False
    assert config["optim"]["max_epochs"] == 250  # 3000 steps of 2 structures out of 24
    monkeypatch.chdir(tmp_path)
    assert follow(commands[0], *SMALL) == 0
    assert follow(commands[1]) == 0
    assert json.loads((tmp_path / "mine" / "evaluation" / "evaluation.json").read_text())["n_structures"] == 3
    use = next(line.strip() for line in shown.out.splitlines() if "ocp_dc.calculator" in line)
    atoms = read(tmp_path / "mine.xyz")
    exec(use, {"atoms": atoms, "ocp_dc": ocp_dc})
    assert abs(atoms.get_potential_energy() - atoms.info["REF_energy"]) < 50
    with pytest.raises(SystemExit):
        main(["init"])
    assert main(["init", "mine.xyz"]) == 2
    assert "mine: exists" in capsys.readouterr().err


def test_periodic_structures_and_scale_factors(tmp_path):
    started = start([oxides(tmp_path / "oxides.db", 16)], tmp_path / "out", model="gemnet_t", progress=False)
    config = yaml.safe_load(started.config.read_text())
    model = config["model"]
    assert (model["use_pbc"], model["cutoff"], model["max_neighbors"]) == (True, 4.5, 50)
    assert model["scale_file"] == str(tmp_path / "out" / "scales.json")
    assert (tmp_path / "out" / "scales.json").is_file()
    assert config["dataset"]["test"] == {"src": str(tmp_path / "out" / "data" / "test")}
    assert "scale_file: factors fitted" in started.config.read_text()
    assert ".partial" not in started.config.read_text()
    assert main(["inspect", str(started.config)]) == 0


def test_mistakes_leave_nothing(tmp_path):
    path = molecules(tmp_path / "mine.xyz", 4)
    np.savez(tmp_path / "a.npz", z=[1, 1], R=np.zeros((2, 2, 3)), E=np.zeros(2), F=np.zeros((2, 2, 3)))
    for file, options, words in (
        (path, {"model": "shcnet"}, "unknown model 'shcnet'.*Did you mean 'schnet'"),
        (path, {"test": 0, "val": 0}, "none is left for validation"),
        (path, {"options": ReadOptions(energy_key="energie")}, "energy-key.*REF_energy"),
        (tmp_path / "a.npz", {}, "--units"),
        (tmp_path / "b.npz", {}, "b.npz: no such file"),
    ):
        with pytest.raises(UserError, match=words):
            start([file], tmp_path / "out", progress=False, **options)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["a.npz", "mine.xyz"]
