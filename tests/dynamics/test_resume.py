"""A run that was interrupted ends as the uninterrupted one."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.io import read

from ocp_dc.core.errors import UserError
from ocp_dc.dynamics import md
from ocp_dc.dynamics.md import run_md
from ocp_dc.dynamics.options import MDOptions

ENSEMBLES = [
    {"ensemble": "nve"},
    {"thermostat": "langevin"},
    {"thermostat": "bussi", "trajectory": "trajectory.xyz"},
    {"ensemble": "npt"},
]


def run(atoms, folder, time="0.1 ps", calculator=None, **changes):
    options = MDOptions(**{"time": time, "timestep": "2 fs", "interval": 5, **changes})
    return run_md(atoms, calculator or EMT(), folder, options, progress=False)


def assert_equal(one, other):
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()
    (name,) = (path.name for path in one.glob("trajectory.*"))
    frames = [read(folder / name, ":") for folder in (one, other)]
    assert len(frames[0]) == len(frames[1])
    for mine, theirs in zip(*frames, strict=True):
        for get in ("get_positions", "get_momenta", "get_cell", "get_forces"):
            np.testing.assert_array_equal(getattr(mine, get)(), getattr(theirs, get)())
    states = [json.loads((folder / "state.json").read_text()) for folder in (one, other)]
    for state in states:
        del state["seconds"], state["sha256"]
    assert states[0] == states[1]


class Failing(EMT):
    """EMT on a machine that is switched off at an evaluation."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def calculate(self, *arguments, **more):
        super().calculate(*arguments, **more)
        self.at -= 1
        if self.at == 0:
            raise RuntimeError("the machine was switched off")


@pytest.fixture
def always_saves(monkeypatch):
    """A simulation that saves its state at each step."""
    monkeypatch.setattr(md, "SAVE_SECONDS", 0.0)


@pytest.mark.parametrize("changes", ENSEMBLES, ids=lambda each: "-".join(each.values()))
@pytest.mark.parametrize("saves", [True, False])
def test_after_a_crash(tmp_path, copper, changes, saves, monkeypatch):
    run(copper, tmp_path / "whole", **changes)
    monkeypatch.setattr(md, "SAVE_SECONDS", 0.0 if saves else 1e9)
    for at in (23, 18):  # the second crash is in the resumed run
        with pytest.raises(RuntimeError, match="switched off"):
            run(copper, tmp_path / "parts", calculator=Failing(at), **changes)
    assert json.loads((tmp_path / "parts" / "state.json").read_text())["step"] == (
        36 if saves else 0
    )  # also between two frames
    summary = run(copper, tmp_path / "parts", **changes)
    assert summary["steps"] == 50
    assert_equal(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("changes", ENSEMBLES[:2], ids=lambda each: "-".join(each.values()))
def test_a_longer_time_continues_a_finished_run(tmp_path, copper, changes):
    run(copper, tmp_path / "whole", **changes)
    run(copper, tmp_path / "parts", time="34 fs", **changes)
    assert run(copper, tmp_path / "parts", **changes)["time_ps"] == pytest.approx(0.1)
    assert_equal(tmp_path / "whole", tmp_path / "parts")
    before = (tmp_path / "parts" / "log.csv").read_bytes()
    assert run(copper, tmp_path / "parts", **changes)["steps"] == 50  # nothing is left to do
    assert (tmp_path / "parts" / "log.csv").read_bytes() == before
    with pytest.raises(UserError, match="holds a run of 50 steps, more than the 5 of 10 fs"):
        run(copper, tmp_path / "parts", time="10 fs", **changes)


def test_other_masses_are_another_structure(tmp_path, copper):
    run(copper, tmp_path / "out", time="20 fs")
    copper.set_masses([65.0] * len(copper))
    with pytest.raises(UserError, match="holds a run with structure"):
        run(copper, tmp_path / "out")


def test_after_frames_that_no_state_knows(tmp_path, copper, always_saves):
    run(copper, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="switched off"):
        run(copper, tmp_path / "parts", calculator=Failing(33))
    state = (tmp_path / "parts" / "state.json").read_bytes()
    with pytest.raises(RuntimeError, match="switched off"):
        run(copper, tmp_path / "parts", calculator=Failing(13))
    (tmp_path / "parts" / "state.json").write_bytes(state)  # as if the last one had not reached the disk
    with (tmp_path / "parts" / "log.csv").open("a") as file:
        file.write("45,0.0")
    run(copper, tmp_path / "parts")
    assert_equal(tmp_path / "whole", tmp_path / "parts")


def test_after_a_kill_before_the_first_state(tmp_path, copper):
    run(copper, tmp_path / "whole")
    run(copper, tmp_path / "parts", time="20 fs")
    (tmp_path / "parts" / "state.json").unlink()
    run(copper, tmp_path / "parts")
    assert_equal(tmp_path / "whole", tmp_path / "parts")


def test_ctrl_c_saves_the_last_step(tmp_path, copper):
    class Pressing(EMT):
        calls = 0

        def calculate(self, *arguments, **more):
            super().calculate(*arguments, **more)
            self.calls += 1
            if self.calls == 13:
                os.kill(os.getpid(), signal.SIGINT)

    run(copper, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="step 12 of 50 is saved; the same command continues"):
        run(copper, tmp_path / "parts", calculator=Pressing())
    assert json.loads((tmp_path / "parts" / "state.json").read_text())["step"] == 12
    run(copper, tmp_path / "parts")
    assert_equal(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "holds a run with seed 0, got 1; name another folder"),
        ({"timestep": "1 fs"}, "timestep_fs 2.0, got 1.0"),
        ({"ensemble": "nve"}, "ensemble 'nvt', got 'nve'"),
    ],
)
def test_other_settings_are_refused(tmp_path, copper, changes, message):
    run(copper, tmp_path, time="10 fs")
    with pytest.raises(UserError, match=message):
        run(copper, tmp_path, **changes)


def test_another_structure_and_foreign_files_are_refused(tmp_path, copper):
    run(copper, tmp_path / "a", time="10 fs")
    moved = copper.copy()
    moved.positions[0, 0] += 1e-9
    with pytest.raises(UserError, match="holds a run with structure"):
        run(moved, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "trajectory.traj").write_text("mine")
    with pytest.raises(UserError, match=r"has trajectory\.traj but no settings\.json"):
        run(copper, tmp_path / "b")
    assert (tmp_path / "b" / "trajectory.traj").read_text() == "mine"
