from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.worst_structures import largest_errors


def test_rows_by_hand(hand):
    rows = largest_errors(hand)
    assert [(row["ranked_by"], row["rank"], row["id"]) for row in rows] == [
        ("energy", 1, "two"),
        ("energy", 2, "one"),
        ("forces", 1, "two"),
        ("forces", 2, "one"),
    ]
    assert rows[0] == {
        "ranked_by": "energy",
        "rank": 1,
        "id": "two",
        "index": 1,
        "natoms": 2,
        "free_atoms": 1,
        "energy_true [eV]": -20.0,
        "energy_pred [eV]": -20.5,
        "energy_error [eV]": -0.5,
        "max_force_error [eV/Å]": 4.6 - 4.0,
        "worst_atom": 0,
    }


def test_the_ranking_is_that_of_sorting_all(many):
    rows = largest_errors(many, count=7)
    energy = sorted(range(1000), key=lambda s: -abs(many.energy_pred[s] - many.energy_true[s]))[:7]
    force = []
    for s in range(1000):
        atoms = [a for a in range(3 * s, 3 * s + 3) if many.free[a]]
        force.append(max(np.abs(many.forces_pred[a] - many.forces_true[a]).max() for a in atoms))
    forces = sorted(range(1000), key=lambda s: -force[s])[:7]
    assert [row["index"] for row in rows] == energy + forces
    assert [row["max_force_error [eV/Å]"] for row in rows[7:]] == [force[s] for s in forces]


def test_errors_that_are_not_finite_come_first_and_ties_keep_their_order(many):
    energy_pred = many.energy_true.copy()
    energy_pred[500] = np.nan
    rows = largest_errors(dataclasses.replace(many, energy_pred=energy_pred), count=3)
    assert [row["index"] for row in rows[:3]] == [500, 0, 1]


def test_the_worst_atom_is_free_and_counted_within_its_structure(many):
    forces_pred = many.forces_true.copy()
    forces_pred[3 * 11 + 2] += 1.0  # atom 35 is fixed (35 % 5 == 0)
    forces_pred[3 * 11 + 1] -= 0.5
    worst = largest_errors(dataclasses.replace(many, forces_pred=forces_pred), count=1)[1]
    assert (worst["index"], worst["worst_atom"], worst["max_force_error [eV/Å]"]) == (11, 1, 0.5)


def test_a_structure_without_free_atoms_is_ranked_by_energy_only(hand):
    rows = largest_errors(dataclasses.replace(hand, free=np.array([True, False, False])))
    assert [(row["ranked_by"], row["id"]) for row in rows] == [("energy", "two"), ("energy", "one"), ("forces", "one")]
    assert (rows[0]["max_force_error [eV/Å]"], rows[0]["worst_atom"]) == ("", "")


def test_count_below_one_is_refused(hand):
    with pytest.raises(UserError, match="count: got 0"):
        largest_errors(hand, count=0)
