from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.predictions import Predictions


def test_everything_is_float64_and_ids_are_strings(hand):
    narrow = dataclasses.replace(hand, forces_pred=hand.forces_pred.astype(np.float32), ids=[7, 8])
    assert narrow.forces_pred.dtype == narrow.energy_true.dtype == np.float64
    assert narrow.ids == ["7", "8"]


def test_derived_arrays_by_hand(hand):
    assert hand.first_atom.tolist() == [0, 1]
    assert hand.n_free.tolist() == [1, 1]
    assert hand.forces_error.shape == (2, 3)
    # the fixed atom counts as 0, however wrong
    assert hand.atom_force_error.tolist() == [0.03, 4.6 - 4.0, 0.0]
    assert hand.max_force_error.tolist() == [0.03, 4.6 - 4.0]


def test_a_structure_without_free_atoms_has_no_force_error(hand):
    fixed = dataclasses.replace(hand, free=np.array([True, False, False]))
    assert fixed.n_free.tolist() == [1, 0]
    assert fixed.max_force_error.tolist() == [0.03, 0.0]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("energy_pred", [[-9.98], [-20.5]], r"energy_pred: got shape \(2, 1\), expected \(2,\)"),
        ("energy_pred", [1.0], r"energy_pred: got shape \(1,\), expected \(2,\)"),
        ("energy_pred", "many", "energy_pred: got str .* expected an array of numbers"),
        ("forces_true", np.zeros((2, 3)), r"forces_true: got shape \(2, 3\), expected \(3, 3\)"),
        ("forces_pred", np.zeros(9), r"forces_pred: got shape \(9,\), expected \(3, 3\)"),
        ("natoms", [1], r"natoms: got shape \(1,\), expected \(2,\)"),
        ("natoms", [3, 0], "natoms: .* below 1"),
        ("natoms", [1.0, 2.0], "natoms: got counts that are not integers"),
        ("free", [1, 1, 0], "free: got dtype int64, expected bool .*fixed == 0"),
        ("free", [True, True], r"free: got shape \(2,\), expected \(3,\)"),
        ("ids", ["one"], r"ids: got shape \(1,\), expected \(2,\)"),
        ("energy_true", [np.nan, 0.0], "energy_true: got NaN or infinite labels"),
        ("forces_true", np.full((3, 3), np.inf), "forces_true: got NaN or infinite labels"),
    ],
)
def test_what_does_not_fit_is_refused(hand, field, value, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(hand, **{field: value})


def test_no_structures_are_refused():
    nothing = np.zeros(0)
    with pytest.raises(UserError, match="got no structures"):
        Predictions(nothing, nothing, np.zeros((0, 3)), np.zeros((0, 3)), nothing.astype(int), nothing.astype(bool), [])
