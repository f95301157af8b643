"""``ocp-dc md`` and ``ocp-dc relax`` with a checkpoint of either host."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ase.io import read

from ocp_dc.cli import main


def check_md(checkpoint: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check a run of ethanol that is made at once and in two parts, and one that must stop."""

    def command(folder: str, *more: str) -> int:
        return main(["md", str(checkpoint), str(data), "--out", str(out / folder), "--index", "1", "--cpu", *more])

    assert command("whole", "--time", "20fs", "--temperature", "200") == 0
    assert "nvt, 9 atoms, 40 steps, 0.02 ps; velocities Maxwell-Boltzmann" in capsys.readouterr().out
    assert command("parts", "--time", "8 fs", "--temperature", "200 K") == 0
    assert command("parts", "--time", "20 fs", "--temperature", "200 K") == 0
    logs = [np.genfromtxt(out / folder / "log.csv", delimiter=",", names=True) for folder in ("whole", "parts")]
    assert logs[0]["step"].tolist() == logs[1]["step"].tolist() == [0, 10, 20, 30, 40]
    for name in ("potential_eV", "temperature_K"):
        np.testing.assert_allclose(logs[1][name], logs[0][name], rtol=1e-5)
    last = [read(out / folder / "trajectory.traj") for folder in ("whole", "parts")]
    np.testing.assert_allclose(last[1].positions, last[0].positions, atol=1e-5)
    assert np.abs(last[0].positions - read(out / "whole" / "trajectory.traj", 0).positions).max() > 1e-3

    capsys.readouterr()
    assert command("hot", "--time", "20 fs", "--max-temperature", "1 K", "--ensemble", "nve") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("stopped at step 1: the temperature runs away: ")
    assert json.loads((out / "hot" / "summary.json").read_text())["steps"] == 1
    assert command("npt", "--ensemble", "npt") == 2
    assert "npt: " in capsys.readouterr().err
    assert not (out / "npt").exists()


def check_relax(checkpoint: Path, data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check a relaxation of three molecules that cannot converge, and one that has converged at once."""
    command = ["relax", str(checkpoint), str(data), "--out", str(out), "--index", "0:3", "--cpu"]
    few = ["--steps", "2", "--fmax", "1e-6", "--optimizer", "fire", "--structures", "a.traj"]
    assert main([*command, *few]) == 1
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert last == "3 of 3 structures did not relax; frame 0: not converged within 2 steps"
    assert printed.out.count(" no") == 3
    with (out / "relaxation.csv").open() as file:
        rows = list(csv.DictReader(file))
    frames = read(out / "a.traj", ":")
    for row, frame in zip(rows, frames, strict=True):
        assert float(row["energy_eV"]) == pytest.approx(frame.get_potential_energy())
        assert float(row["energy_change_eV"]) < 0
        assert float(row["fmax_eV_A"]) == pytest.approx(np.linalg.norm(frame.get_forces(), axis=1).max())
    assert main([*command, "--fmax", "1e3"]) == 2  # the folder holds a relaxation
    assert main([*command, "--fmax", "1e3", "--overwrite"]) == 0
    assert len(read(out / "relaxed.xyz", ":")) == 3
    assert main([*command, "--overwrite", "--cell"]) == 2
    assert "structure 0: cell: " in capsys.readouterr().err
    assert len(read(out / "relaxed.xyz", ":")) == 3
