"""The lines about a run: header, validations, and the end."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from ocp_dc.labels import LabelRescaling
from ocp_dc.training.output import run_output
from ocp_dc.training.progress_bar import ProgressBar
from ocp_dc.training.run_lines import (
    ValidationLines,
    data_line,
    label_line,
    model_line,
    say_end,
    say_header,
    shown_errors,
    shown_path,
)
from ocp_dc.training.state import TrainingState
from ocp_dc.training.validation_log import ValidationLog

METRICS = {"loss": 2.0, "energy_mae": 0.0123, "forces_mae": 0.04567, "per_atom_mae": 1.0}


@pytest.fixture
def state() -> TrainingState:
    model = nn.Linear(3, 2)
    return TrainingState(model, torch.optim.SGD(model.parameters(), lr=0.5), step=8, epoch=2.0)


@pytest.fixture(autouse=True)
def output():
    with run_output("normal", {}):
        yield


def test_the_header(capsys):
    say_header({"model": model_line("Net", nn.Linear(300, 4)), "surgery": None, "data": data_line({"training": 1234})})
    assert capsys.readouterr().out.splitlines() == [
        "model    Net, 1,204 parameters",
        "data     1,234 training structures",
    ]


@pytest.mark.parametrize(
    ("rescaling", "text"),
    [
        (None, "in eV and eV/Å"),
        (LabelRescaling(2.0), "energies minus nothing; energies and forces divided by C = 2 eV"),
        (LabelRescaling(1.5, -3.0), "energies minus -3 eV; energies and forces divided by C = 1.5 eV"),
        (
            LabelRescaling(1.0, 0.0, torch.zeros(2)),
            "energies minus a reference energy per element; energies and forces divided by C = 1 eV",
        ),
    ],
)
def test_labels(rescaling, text):
    assert label_line(rescaling) == text


def test_errors_in_units_also_of_several_sets():
    assert shown_errors(METRICS) == {"energy": "12.3 meV", "forces": "45.7 meV/Å"}
    assert shown_errors({"a.energy_mae": 1.0, "b.energy_mae": 2.0}) == {
        "a energy": "1000.0 meV",
        "b energy": "2000.0 meV",
    }


def test_a_line_for_each_validation(state, capsys):
    lines = ValidationLines()
    lines.start(state)
    lines.validation(state, None)
    for since_best in (0, 1):
        state.evaluations_since_best = since_best
        lines.validation(state, METRICS)
    header, best, other = capsys.readouterr().out.splitlines()
    assert header.split() == ["epoch", "step", "energy", "forces", "loss", "learning", "rate", "time"]
    assert best.split() == ["2", "8", "12.3", "meV", "45.7", "meV/Å", "2", "5.00e-01", "0:00:00", "best"]
    assert other == best.removesuffix("  best")
    assert len(header) == len(other)


def test_the_metric_that_selects_is_a_column_once(state, capsys):
    state.primary_metric = "forces_mae"
    ValidationLines().validation(state, METRICS)
    assert capsys.readouterr().out.splitlines()[0].split()[:5] == ["epoch", "step", "energy", "forces", "learning"]


@pytest.mark.parametrize(("primary", "epoch"), [("loss", 2), ("energy_forces_within_threshold", 1)])
def test_the_end(tmp_path, capsys, monkeypatch, primary, epoch):
    monkeypatch.chdir(tmp_path)
    log = ValidationLog(tmp_path / "validation.csv")
    for number, loss in ((1, 3.0), (2, 1.0), (3, 1.0)):
        metrics = {"loss": loss, "energy_mae": number / 100, "energy_forces_within_threshold": 1 / number}
        measured = {"learning_rate": 0.1, "train_losses": {}, "step_time": None, "peak_memory": None}
        log.add(step=4 * number, epoch=float(number), metrics=metrics, **measured)
    best = tmp_path / "my best.pt"
    arguments = (log.path, primary, best, {"energy_mae": 0.5}, "data/test", tmp_path / "evaluation")
    say_end(*arguments)
    assert capsys.readouterr().out == ""  # no validation was finite, so there is no checkpoint
    best.touch()
    say_end(*arguments)
    assert capsys.readouterr().out.splitlines() == [
        f"best validation: epoch {epoch}, energy {10 * epoch}.0 meV",
        "test split: energy 500.0 meV",
        "best checkpoint: my best.pt",
        "next: ocp-dc evaluate 'my best.pt' data/test --out evaluation",
    ]


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a" / "b") == "a/b"
    assert shown_path(tmp_path.parent / "b") == str(tmp_path.parent / "b")


def test_the_bar(state, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    state.step, state.epoch = 0, 0.0
    bar = ProgressBar(total=4, epochs=2, every=2, shown=True)
    bar.start(state)
    for step in range(1, 5):
        state.step, state.epoch = step, step / 2
        losses = {"loss": torch.tensor(float(step))}
        state.running_means.add(losses)
        bar.step(state, losses)
    bar.validation(state, METRICS)
    shown = capsys.readouterr().err
    assert re.search(r"epoch 2/2: 100%.* 4/4 .*loss=3\.5, energy=12\.3 meV, forces=45\.7 meV/Å\]", shown)
    assert state.running_means.printed == {"loss": 3.5}
    bar.end(state)
    bar.step(state, {})  # closed


def test_no_bar_where_another_process_shows_it(state, capsys):
    bar = ProgressBar(total=4, epochs=2, every=100, shown=False)
    bar.start(state)
    bar.step(state, {})
    bar.end(state)
    assert capsys.readouterr() == ("", "")
