from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
from matplotlib.collections import PathCollection, PolyCollection

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.plots import (
    learning_curves,
    learning_curves_figure,
    parity_figure,
    parity_plot,
)
from ocp_dc.plotting.style import COLORS, DPI
from ocp_dc.training.validation_log import TrainingLog


def png_size(path) -> tuple[int, int]:
    """Width and height in pixels, from the first chunk of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def training_log(errors, first_epoch=1) -> TrainingLog:
    errors = np.asarray(errors, dtype=float)
    return TrainingLog(np.arange(first_epoch, first_epoch + len(errors), dtype=float), errors, 10 * errors)


def test_parity_of_few_points_shows_each(hand):
    energy, forces = parity_figure(hand, "ethanol").axes
    assert energy.get_xlabel() == "true energy − mean [eV]"
    assert forces.get_ylabel() == "predicted force component [eV/Å]"
    (points,) = (c for c in energy.collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(points.get_offsets(), [[5.0, hand.energy_pred[0] + 15], [-5.0, -5.5]])
    (points,) = (c for c in forces.collections if isinstance(c, PathCollection))
    np.testing.assert_array_equal(np.asarray(points.get_offsets())[:, 1], [0.03, 0, 0, 3, 0, 4.6])  # free atoms only
    assert energy.get_xlim() == energy.get_ylim()
    assert energy.get_aspect() == 1.0
    assert "MAE 0.26 eV\n" in energy.texts[0].get_text()
    assert "6 kcal/mol\n" in energy.texts[0].get_text()  # 0.26 eV are 5.9957 kcal/mol
    assert "components of free atoms: 6" in forces.texts[0].get_text()


def test_parity_of_many_points_shows_their_density(many):
    figure = parity_figure(many)
    forces = figure.axes[1]
    (cells,) = (c for c in forces.collections if isinstance(c, PolyCollection))
    assert np.asarray(cells.get_array()).sum() == 3 * many.free.sum() == 7200
    assert [ax.get_ylabel() for ax in figure.axes[2:]] == ["components of free atoms per cell"]


def test_parity_says_what_it_cannot_draw(hand):
    forces_pred = hand.forces_pred.copy()
    forces_pred[1, 2] = np.nan
    energy, forces = parity_figure(dataclasses.replace(hand, energy_pred=[np.nan] * 2, forces_pred=forces_pred)).axes
    assert energy.texts[0].get_text() == "no finite predictions"
    assert "not finite, left out: 1" in forces.texts[0].get_text()
    nothing_free = parity_figure(dataclasses.replace(hand, free=np.zeros(3, dtype=bool)))
    assert nothing_free.axes[1].texts[0].get_text() == "no components of free atoms"


def test_the_errors_are_written_where_a_biased_model_has_no_points(hand):
    biased = dataclasses.replace(hand, energy_pred=hand.energy_true + 30)
    assert parity_figure(biased).axes[0].texts[0].get_position() == (0.96, 0.04)
    assert parity_figure(hand).axes[0].texts[0].get_position() == (0.04, 0.96)


def test_parity_file(many, tmp_path):
    parity_plot(many, tmp_path / "parity.png", "title")
    assert png_size(tmp_path / "parity.png") == (int(10.4 * DPI), int(4.9 * DPI))


def test_seeds_become_a_mean_and_a_band():
    figure = learning_curves_figure({"stock": [training_log([4, 2]), training_log([2, 1])], "one": [training_log([3])]})
    energy, forces = figure.axes
    assert (energy.get_ylabel(), energy.get_xlabel()) == ("validation energy MAE per structure [eV]", "epoch")
    assert forces.get_ylabel() == "validation force MAE per component [eV/Å]"
    assert energy.get_yscale() == forces.get_yscale() == "log"
    np.testing.assert_array_equal(energy.lines[0].get_xydata(), [[1, 3], [2, 1.5]])
    np.testing.assert_array_equal(forces.lines[0].get_xydata(), [[1, 30], [2, 15]])
    (band,) = energy.collections  # none for the run of one seed
    corners = {tuple(vertex) for vertex in np.asarray(band.get_paths()[0].vertices)}
    assert corners == {(1, 2), (1, 4), (2, 1), (2, 2)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["stock", "one"]


def test_seeds_are_averaged_over_the_epochs_that_all_have():
    figure = learning_curves_figure({"run": [training_log([8, 4, 2]), training_log([6, 4], first_epoch=2)]})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xydata(), [[2, 5], [3, 3]])
    with pytest.raises(UserError, match="run 'run': got seeds that share no epoch"):
        learning_curves_figure({"run": [training_log([1]), training_log([1], first_epoch=2)]})


def test_each_run_can_be_told_from_the_others():
    figure = learning_curves_figure({str(i): [training_log([i + 1, 1])] for i in range(4 * len(COLORS))})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 4 * len(COLORS)


@pytest.mark.parametrize("errors", [[1, np.nan, 0.5], [np.nan, np.nan], [0.1012, 0.1011], [1e5, 1e-4], [0, 1]])
def test_learning_curves_of_any_range_are_drawn(errors):
    figure = learning_curves_figure({"run": [training_log(errors)]})
    figure.draw_without_rendering()  # warnings are errors
    axis = figure.axes[0].yaxis
    low, high = sorted(figure.axes[0].get_ylim())
    shown = [text.get_text() for text in axis.get_ticklabels() if low <= text.get_position()[1] <= high]
    assert len(shown) >= 2
    assert len(set(shown)) == len(shown)


def test_learning_curves_file(tmp_path):
    header = "step,epoch,learning_rate,train_loss,loss,energy_mae [eV],energy_per_atom_mae [eV],forces_mae [eV/Å],efwt"
    for name in "abc":
        text = f"{header}\n1,1,1,1,1,0.5,0.1,0.4,0\n2,2,1,1,1,0.4,0.1,0.3,0\n"
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    runs = {"stock": tmp_path / "a.csv", "paper": [tmp_path / "b.csv", tmp_path / "c.csv"]}
    learning_curves(runs, tmp_path / "curves.png", "ethanol")
    assert png_size(tmp_path / "curves.png") == (int(9.6 * DPI), int(4.45 * DPI))


def test_no_runs_or_no_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="got no runs"):
        learning_curves({}, tmp_path / "curves.png")
    with pytest.raises(UserError, match="run 'a': got no files"):
        learning_curves({"a": []}, tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())
