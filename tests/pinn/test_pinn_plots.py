"""Pictures of training runs: panels, times, and values that are not finite."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ocp_dc.pinn import plots
from ocp_dc.pinn.physics.solution import Solution


@pytest.fixture
def figures(monkeypatch) -> list[Figure]:
    drawn: list[Figure] = []
    save = plots.save_figure

    def keep(figure: Figure, path: Path) -> None:
        drawn.append(figure)
        save(figure, path)

    monkeypatch.setattr(plots, "save_figure", keep)
    return drawn


def solution(dimensions):
    axes = {"t": np.linspace(0, 2, 5), **{name: np.linspace(0, 1, 4) for name in "xy"[:dimensions]}}
    values = np.random.default_rng(0).normal(size=[len(axis) for axis in axes.values()])
    return Solution("some", axes, {"u": values, "v": -values})


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_nearest_times_are_drawn_once(dimensions, figures, tmp_path):
    data = solution(dimensions)
    predicted = {name: field + 0.1 for name, field in data.fields.items()}
    paths = plots.solution_images(data, predicted, [0.1, 0.0, 1.9], tmp_path, "some")
    assert [path.name for path in paths] == ["solution-u.png", "solution-v.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    for figure in figures:
        assert [t for t in (axis.get_title() for axis in figure.axes) if t] == ["t = 0", "t = 2"]


@pytest.mark.parametrize("dimensions", [1, 2])
def test_predictions_that_are_not_finite(dimensions, figures, tmp_path):
    data = solution(dimensions)
    nothing = {name: np.full_like(field, np.nan) for name, field in data.fields.items()}
    plots.solution_images(data, nothing, None, tmp_path, "some")
    assert [t for t in (axis.get_title() for axis in figures[0].axes) if t] == ["t = 0", "t = 1", "t = 2"]


def test_a_panel_for_each_term(figures, tmp_path):
    names = ["L_fu", "L_fv", "L_ICu", "L_BC", "total"]
    losses = {name: np.array([1.0, 0.1, 0.0]) for name in names}
    extra = {"iteration": np.arange(3.0), "lr": np.ones(3), "seconds_per_iteration": np.ones(3)}
    plots.learning_curves({**extra, **losses}, tmp_path / "curves.png", "some")
    titles = [axis.get_title() for axis in figures[0].axes if axis.axison]
    assert titles == [*names[:-1], "total, weighted"]
