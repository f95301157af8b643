from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.saved_predictions import save_predictions
from ocp_dc.plotting.style import COLORS
from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report.curves import curves_figure
from ocp_dc.study.report.groups import gather
from ocp_dc.study.report.parity import parity_figure, predictions_of
from ocp_dc.study.report.plots import errors_figure, tradeoff_figure

from tests.helpers.studies import ENERGY, run, runs, study


def curve(arm, seed, values, status="done"):
    x = np.arange(1, len(values) + 1)
    curves = {"epoch": x, "energy_mae": values, "forces_mae": 10 * np.asarray(values), "train_loss": values}
    metrics = {"energy_mae": values[-1], "forces_mae": 10 * values[-1]} if status == "done" else {}
    return run(arm, seed, metrics, status, curves=curves)


def drawn(results: StudyResults) -> Figure:
    (group,) = gather(results)
    figure = curves_figure(results, group)
    assert figure is not None
    figure.draw_without_rendering()  # warnings are errors
    return figure


def test_curves_are_the_mean_and_the_range_of_the_seeds():
    results = study([curve("a", 0, [0.4, 0.2]), curve("a", 1, [0.2, 0.1, 0.1])])
    figure = drawn(results)
    energy, forces, loss = figure.axes
    labels = ["energy MAE [meV]", "forces MAE [eV/Å]", "training loss"]
    assert [ax.get_ylabel() for ax in (energy, forces, loss)] == labels
    assert {ax.get_yscale() for ax in figure.axes} == {"log"}
    np.testing.assert_allclose(energy.lines[0].get_xydata(), [[1, 300], [2, 150]])  # the epochs that both have
    (band,) = energy.collections
    assert {tuple(vertex) for vertex in band.get_paths()[0].vertices} == {(1, 200), (1, 400), (2, 100), (2, 200)}


def test_a_run_that_is_not_done_is_no_part_of_the_mean():
    diverged = curve("a", 1, [0.3, 0.9, np.nan], "diverged")
    energy = drawn(study([curve("a", 0, [0.4, 0.2, 0.1]), diverged, curve("a", 2, [0.5], "unfinished")])).axes[0]
    mean, thin, cross, _ = energy.lines
    np.testing.assert_allclose(mean.get_ydata(), [400, 200, 100])
    assert thin.get_linewidth() < mean.get_linewidth()
    assert (cross.get_marker(), cross.get_xydata().tolist()) == ("x", [[2, 900]])


def test_a_run_that_blows_up_does_not_flatten_the_others():
    blown = curve("a", 1, [0.3, 1e20], "diverged")
    energy = drawn(study([curve("a", 0, [0.4, 0.2]), blown])).axes[0]
    assert energy.get_ylim()[1] == pytest.approx(1200)  # three times the largest of the run that is done
    assert energy.lines[2].get_ydata() == pytest.approx([1200])


def test_what_is_below_zero_is_drawn_on_a_linear_axis():
    figure = drawn(study([curve("a", 0, [0.4, -0.2])], [curve("b", 0, [np.nan, np.nan])]))
    assert {ax.get_yscale() for ax in figure.axes} == {"linear"}


def test_a_loss_that_vanishes_does_not_flatten_the_others():
    figure = drawn(study([curve("a", 0, [0.4, 0.2])], [curve("b", 0, [1e-30, 0.0])]))
    energy = figure.axes[0]
    assert energy.get_yscale() == "log"
    assert energy.get_ylim()[0] == pytest.approx(400e-8)


def test_curves_that_no_run_has_have_no_panel_and_many_wrap():
    results = study([curve("a", 0, [0.4, 0.2])])
    terms = [Quantity(f"L_{i}", f"L_{i}", primary=True) for i in range(4)]
    for record in results.records:
        curves: Any = record.curves
        curves.update({f"L_{i}": np.array([0.4, 0.2]) for i in (0, 2)})
    figure = drawn(dataclasses.replace(results, curves=(*results.curves, *terms)))
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_ylabel() for ax in shown][2:] == ["L_0", "L_2", "training loss"]
    assert [ax.get_subplotspec().rowspan.start for ax in shown] == [0, 0, 0, 1, 1]


def test_seeds_that_share_no_epoch_have_no_mean():
    late = curve("a", 1, [0.3])
    late.curves["epoch"][:] = 9
    assert not drawn(study([curve("a", 0, [0.4]), late], [curve("b", 0, [0.1, 0.2])])).axes[0].collections


def test_no_curves_no_figure():
    results = study(runs("a", [0.1]), [curve("b", 0, [np.nan, np.nan], "diverged")])
    assert curves_figure(results, gather(results)[0]) is None


def test_twelve_arms_can_be_told_apart():
    results = study(*([curve(f"arm {i}", s, [0.4, 0.2 + 0.01 * i]) for s in range(3)] for i in range(12)))
    figure = drawn(results)
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 12
    assert not figure.axes[0].collections  # bands would hide the lines
    assert len(figure.legends[0].get_texts()) == 12


def test_final_errors_are_a_dot_for_each_seed():
    results = study(runs("a", [0.1, 0.3], [1.0, 1.0]), runs("b", [0.2, "diverged", "failed"], [1.0, 1.0, 1.0]))
    figure = errors_figure(results, gather(results)[0])
    assert figure is not None
    figure.draw_without_rendering()
    energy = figure.axes[0]
    dots = [np.asarray(c.get_offsets()) for c in energy.collections if isinstance(c, PathCollection)]
    np.testing.assert_allclose(dots[0][:, 0], [100, 300])
    np.testing.assert_allclose(dots[1][:, 0], [200])
    assert [text.get_text() for text in energy.get_yticklabels()] == ["a", "b\n1 diverged, 1 failed"]
    assert energy.lines[-1].get_xdata() == [200, 200]  # the baseline's mean
    assert energy.get_ylim()[0] > energy.get_ylim()[1]


def test_errors_of_arms_that_did_not_finish_are_drawn_empty():
    results = study(runs("a", ["failed"]))
    figure = errors_figure(results, gather(results)[0])
    assert figure is not None
    figure.draw_without_rendering()
    assert figure.axes[0].get_xscale() == "linear"


def test_the_trade_off_has_a_point_for_each_arm():
    results = study(runs("a", [0.1, 0.3], [1.0, 2.0]), runs("b", [0.2, "diverged"], [1.0, 1.0]), runs("c", ["failed"]))
    figure = tradeoff_figure(results, gather(results)[0])
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b (1 of 2)"]
    points = [line.get_xydata()[0].tolist() for line in figure.axes[0].lines if line.get_marker() in "os"]
    np.testing.assert_allclose(points, [[200, 1.5], [200, 1.0]])
    one = study(runs("a", [0.1]), quantities=[ENERGY])
    assert tradeoff_figure(one, gather(one)[0]) is None


def saved(folder, scale=0.01, structures=1000):
    rng = np.random.default_rng(0)
    energy, forces = rng.normal(size=structures), rng.normal(size=(structures, 3))
    made = Predictions(
        energy, energy + scale, forces, forces, np.ones(structures, int), np.ones(structures, bool), ["x"] * structures
    )
    save_predictions(made, folder / "predictions.npz")
    return made


def test_saved_predictions_are_read(tmp_path):
    made = saved(tmp_path / "run")
    np.testing.assert_array_equal(predictions_of(tmp_path / "run").energy_pred, made.energy_pred)
    assert predictions_of(tmp_path) is None
    (tmp_path / "predictions.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="not an npz file"):
        predictions_of(tmp_path)


def test_parity_of_the_first_seed_of_each_arm(tmp_path):
    made = saved(tmp_path / "a1", scale=100.0)
    saved(tmp_path / "a2")
    saved(tmp_path / "b0")
    a = [run("a", seed, folder=tmp_path / f"a{seed}") for seed in (0, 1, 2)]
    results = study(a, [run("b", 0, folder=tmp_path / "b0")], [run("c", 0, folder=tmp_path / "c0")])
    figure = parity_figure(gather(results)[0])
    figure.draw_without_rendering()
    first, second, below, _ = figure.axes
    assert [ax.get_title() for ax in (first, second)] == ["a, seed 1", "b, seed 0"]
    assert first.texts[0].get_text() == "MAE 1e+05 meV\noutside: 1,000"
    assert second.texts[0].get_text().startswith("MAE 10 meV")
    (points,) = (c for c in second.collections if isinstance(c, PathCollection))
    assert len(points.get_offsets()) == len(made.energy_true)
    assert np.asarray(points.get_facecolor())[0, :3] == pytest.approx(
        [int(COLORS[0][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    )
    (cells,) = (c for c in below.collections if isinstance(c, PolyCollection))
    assert cells.get_array().sum() == 3 * len(made.energy_true)
    assert first.get_xlim() == first.get_ylim() == second.get_xlim()


def test_no_predictions_no_parity(tmp_path):
    results = study([run("a", 0, folder=tmp_path)])
    assert parity_figure(gather(results)[0]) is None
