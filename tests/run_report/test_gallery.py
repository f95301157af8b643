"""Structures with force errors as arrows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver

from ocp_dc.data.frames import molecule
from ocp_dc.run_report.gallery import LONGEST_ARROW, Drawn, gallery, view


@pytest.fixture
def water():
    positions = np.array([[0, 0, 5.0], [0, 0.76, 5.59], [0, -0.76, 5.59]])  # in the plane x = 0
    return molecule(np.array([8, 1, 1]), positions, 0.0, np.zeros((3, 3)))


def test_a_molecule_is_seen_from_the_side_where_it_is_widest(water):
    axes = view(water)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.abs(axes[:, 2]), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.abs(axes[:, 0]), [0, 1, 0], atol=1e-12)


def test_arrows_are_the_errors_on_one_scale(water):
    errors = np.array([[0, 0.3, 0.4], [0.0, 0, 0], [0, 0.1, 0]])
    figure = gallery([Drawn(water, errors, "one"), Drawn(water, 2 * errors, "two")])
    for ax, factor in zip(figure.axes, (0.5, 1.0), strict=True):
        (arrows,) = (each for each in ax.collections if isinstance(each, Quiver))
        lengths = np.hypot(arrows.U, arrows.V)
        np.testing.assert_allclose(lengths, factor * LONGEST_ARROW * np.array([1, 0, 0.2]), atol=1e-12)
    figure.draw_without_rendering()


def test_fixed_atoms_are_pale_and_have_no_arrow(water):
    slab = dataclasses.replace(
        water, fixed=np.array([1, 0, 0]), cell=np.diag([4.0, 4.0, 20.0]), pbc=np.array([True, True, True])
    )
    errors = np.array([[9.0, 9, 9], [1, 0, 0], [0, 0, 2]])
    (ax,) = gallery([Drawn(slab, errors, "slab")]).axes
    (arrows,) = (each for each in ax.collections if isinstance(each, Quiver))
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], 1), [[0.5 * LONGEST_ARROW, 0], [0, LONGEST_ARROW]])
    circles = [patch for patch in ax.patches if isinstance(patch, Circle)]
    np.testing.assert_allclose(sorted(sum(patch.get_facecolor()[1:3]) for patch in circles)[-2:], [2, 2])  # H: white
    (oxygen,) = (patch for patch in circles if sum(patch.get_facecolor()[:3]) < 3)
    assert oxygen.get_facecolor()[1] == pytest.approx(1 - 0.35 * (1 - 0.051), abs=1e-3)  # red, pale
    centers = sorted(tuple(np.round(patch.center, 6)) for patch in circles)
    assert centers == [(0, 5.0), (0, 5.59), (0, 5.59)]  # x to the right, z upwards


@pytest.mark.parametrize("error", [0.0, np.nan, np.inf, 1e6])
def test_any_errors_are_drawn(water, error):
    gallery([Drawn(water, np.full((3, 3), error), "a_$b")]).draw_without_rendering()


def test_a_single_atom_is_drawn(water):
    atom = molecule(np.array([1]), np.zeros((1, 3)), 0.0, np.zeros((1, 3)))
    gallery([Drawn(atom, np.ones((1, 3)), "")]).draw_without_rendering()
