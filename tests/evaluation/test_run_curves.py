from __future__ import annotations

import logging

import numpy as np
import pytest

from ocp_dc.evaluation import run_curves
from ocp_dc.evaluation.run_curves import LiveCurves, draw_run_curves, run_curves_figure
from ocp_dc.training.state import TrainingState

HEADER = "step,epoch,learning_rate,train_loss,loss,energy_mae [eV],forces_mae [eV/Å]\n"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(run_curves, "time", made)
    return made


def write_rows(path, count):
    rows = [f"{4 * n},{n},1e-3,{3 / n},{2 / n},{0.5 / n},{0.4 / n}\n" for n in range(1, count + 1)]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")


def test_the_picture_is_drawn_at_most_every_ten_seconds_and_at_the_end(tmp_path, clock):
    validation, picture = tmp_path / "validation.csv", tmp_path / "learning_curves.png"
    curves, state = LiveCurves(validation), TrainingState()
    curves.start(state)
    write_rows(validation, 1)
    curves.validation(state, {"loss": 1.0})
    assert not picture.exists()  # a short run draws once
    clock.now += 11
    curves.validation(state, None)
    assert not picture.exists()
    curves.validation(state, {"loss": 1.0})
    first = picture.read_bytes()
    write_rows(validation, 3)
    clock.now += 9
    curves.validation(state, {"loss": 1.0})
    assert picture.read_bytes() == first
    curves.end(state)
    assert picture.read_bytes() != first


def test_slow_drawing_is_rare(tmp_path, clock, monkeypatch):
    drawn = []

    def draw(validation):
        drawn.append(clock.now)
        clock.now += 2

    monkeypatch.setattr(run_curves, "draw_run_curves", draw)
    curves, state = LiveCurves(tmp_path / "validation.csv"), TrainingState()
    curves.start(state)
    for _ in range(400):
        clock.now += 1
        curves.validation(state, {"loss": 1.0})
    assert len(drawn) == 4  # 2 s of 102 s


def test_a_picture_that_fails_costs_one_warning(tmp_path, clock, caplog):
    validation = tmp_path / "validation.csv"
    write_rows(validation, 2)
    (tmp_path / "learning_curves.png").mkdir()
    curves, state = LiveCurves(validation), TrainingState()
    curves.start(state)
    with caplog.at_level(logging.WARNING):
        curves.end(state)
        curves.end(state)
    assert len(caplog.records) == 1
    assert "learning_curves.png: cannot be drawn: " in caplog.text


@pytest.mark.parametrize("error", [RuntimeError, OSError, KeyError])
def test_no_error_of_a_picture_ends_a_run(tmp_path, caplog, monkeypatch, error):
    def draw(validation):
        raise error("broken")

    monkeypatch.setattr(run_curves, "draw_run_curves", draw)
    LiveCurves(tmp_path / "validation.csv").end(TrainingState())
    assert "broken" in caplog.text


@pytest.mark.parametrize("text", [None, HEADER])
def test_without_validations_there_is_no_picture(tmp_path, text):
    if text is not None:
        (tmp_path / "validation.csv").write_text(text, encoding="utf-8")
    draw_run_curves(tmp_path / "validation.csv")
    assert not (tmp_path / "learning_curves.png").exists()


def test_panels_show_the_columns():
    epoch = np.array([1.0, 2.0, 3.0])
    figure = run_curves_figure(
        {
            "epoch": epoch,
            "energy_mae": np.array([4.0, 1.0, 2.0]),
            "train_loss": 3 / epoch,
            "loss": np.array([np.nan, 2.0, 1.0]),
            "learning_rate": epoch,
        }
    )
    energy, loss, rate = figure.axes[:3]
    np.testing.assert_array_equal(energy.lines[0].get_xydata(), [[1, 4], [2, 1], [3, 2]])
    np.testing.assert_array_equal(energy.lines[1].get_xydata(), [[2, 1]])  # the lowest
    assert [text.get_text() for text in energy.get_legend().get_texts()] == ["lowest: 1 at 2"]
    np.testing.assert_array_equal(loss.lines[1].get_xydata(), [[2, 2], [3, 1]])
    assert (rate.get_yscale(), energy.get_yscale()) == ("linear", "log")


def test_each_data_set_of_fairchem_2_has_a_curve():
    columns = {"epoch": np.array([1.0, 2.0]), "a.forces_mae": np.array([2.0, 1.0]), "b.forces_mae": np.ones(2)}
    (ax,) = run_curves_figure(columns).axes
    assert [line.get_label() for line in ax.lines if len(line.get_xydata()) == 2] == ["a", "b"]


@pytest.mark.parametrize("values", [[np.nan, 1.0], [0.0, 0.0], [1e5, 1e-5], [np.inf, np.nan]])
def test_any_values_are_drawn(values):
    columns = {"epoch": np.array([1.0, 2.0]), "energy_mae": np.array(values), "loss": np.ones(2)}
    run_curves_figure(columns).draw_without_rendering()  # warnings are errors
