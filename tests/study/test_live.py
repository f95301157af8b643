from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from ocp_dc.study import live
from ocp_dc.study.engines import get_engine
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.live import View


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120, force_terminal=False)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """The time, which the test sets."""
    moment = [100.0]
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    return moment


@pytest.fixture
def folders(tmp_path):
    made = [RunFolder(tmp_path / name) for name in ("a", "b")]
    for folder in made:
        folder.results.mkdir(parents=True)
    return made


def validated(folder, epochs):
    rows = [f"{epoch * 2},{epoch},{1 / epoch}" for epoch in range(1, epochs + 1)]
    (folder.results / "validation.csv").write_text("\n".join(["step,epoch,train_loss", *rows, ""]))


def text(view, console):
    with console.capture() as capture:
        console.print(view.render())
    return capture.get()


def test_what_runs_and_how_far_it_is(console, folders):
    view = View(get_engine("fairchem"), {"a": 4, "b": 4}, done=3, console=console)
    view.add_run(folders[0])
    assert "3 of 5 runs done, 0:00:00 so far" in text(view, console)
    validated(folders[0], 3)
    shown = text(view, console)
    assert "3/4" in shown
    assert "0.3333" in shown
    assert "left" in shown


def test_the_time_left_counts_what_was_trained_here_alone(console, folders, now):
    """One run of two began at half, and is done; the other has not begun: two thirds of the work are left."""
    view = View(get_engine("fairchem"), {"a": 4, "b": 4}, console=console)
    validated(folders[0], 2)
    view.add_run(folders[0])
    now[0] += 100.0
    validated(folders[0], 4)
    assert "about 0:03:20 left" in text(view, console)  # half a run took 100 s, a whole one is left


def test_endings(console, folders):
    view = View(get_engine("fairchem"), {"a": 4, "b": 4}, console=console)
    for folder in folders:
        view.add_run(folder)
    folders[0].finish({"status": "diverged", "message": "diverged at step 3: the forces loss"})
    (folders[1].path / "failure.json").write_text('{"message": "no [space] left"}')
    for folder in folders:
        view.end_run(folder)
    lines = console.file.getvalue().splitlines()
    assert lines == ["[1/2] a: diverged at step 3: the forces loss", "[2/2] b: failed: no [space] left"]
    assert "1 of 2 runs done, 1 failed" in text(view, console)
