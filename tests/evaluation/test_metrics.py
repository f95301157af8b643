from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ocp_dc.evaluation.metrics import UNITS, cosines, error_metrics
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.testing.tolerances import ROUNDING

RELATIVE, ABSOLUTE = ROUNDING[torch.float64]


def close(expected: float) -> object:
    return pytest.approx(expected, rel=RELATIVE, abs=ABSOLUTE, nan_ok=True)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    natoms = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    structures, atoms = len(natoms), sum(natoms)
    # near the thresholds, so that EFwT is neither 0 nor 1 throughout
    values = st.floats(-0.05, 0.05) | st.floats(-1e3, 1e3)
    return Predictions(
        draw(arrays(float, structures, elements=values)),
        draw(arrays(float, structures, elements=values)),
        draw(arrays(float, (atoms, 3), elements=values)),
        draw(arrays(float, (atoms, 3), elements=values)),
        np.array(natoms),
        draw(arrays(bool, atoms)),
        [str(i) for i in range(structures)],
    )


def brute_force(p: Predictions) -> dict[str, float]:
    """The definitions as loops over structures, atoms and components."""
    energy, per_atom, forces, cosine, within, atom = [], [], [], [], [], 0
    for s, count in enumerate(p.natoms):
        de = abs(p.energy_pred[s] - p.energy_true[s])
        good = de <= 0.02
        for _ in range(count):
            if p.free[atom]:
                a, b = p.forces_pred[atom].tolist(), p.forces_true[atom].tolist()
                components = [abs(x - y) for x, y in zip(a, b, strict=True)]
                forces += components
                good = good and max(components) <= 0.03
                norms = [max(math.hypot(*v), 1e-8) for v in (a, b)]
                cosine.append(sum(x / norms[0] * (y / norms[1]) for x, y in zip(a, b, strict=True)))
            atom += 1
        energy.append(de)
        per_atom.append(de / count)
        within.append(float(good))

    def mean(values: list[float]) -> float:
        return math.fsum(values) / len(values) if values else math.nan

    return {
        "n_structures": len(energy),
        "energy_mae": mean(energy),
        "energy_rmse": math.sqrt(mean([e * e for e in energy])),
        "energy_per_atom_mae": mean(per_atom),
        "forces_mae": mean(forces),
        "forces_rmse": math.sqrt(mean([f * f for f in forces])),
        "forces_cosine": mean(cosine),
        "efwt": mean(within),
    }


def test_by_hand(hand):
    metrics = error_metrics(hand)
    assert metrics["n_structures"] == 2
    assert metrics["energy_mae"] == close((0.02 + 0.5) / 2)
    assert metrics["energy_rmse"] == close(math.sqrt((0.02**2 + 0.5**2) / 2))
    assert metrics["energy_per_atom_mae"] == close((0.02 / 1 + 0.5 / 2) / 2)
    assert metrics["forces_mae"] == close((0.03 + 0.6) / 6)
    assert metrics["forces_rmse"] == close(math.sqrt((0.03**2 + 0.6**2) / 6))
    # the cosine with a zero vector is 0; the other is (9 + 18.4) / (5 |(3, 0, 4.6)|)
    assert metrics["forces_cosine"] == close((0 + 27.4 / (5 * math.sqrt(30.16))) / 2)


def test_fields_and_units_are_those_of_evaluation_json(hand):
    metrics = error_metrics(hand)
    assert set(metrics) - {"units", "n_atoms", "n_free_atoms"} == set(metrics["units"])
    assert metrics["units"] == {
        "n_structures": "count",
        "energy_mae": "eV",
        "energy_rmse": "eV",
        "energy_per_atom_mae": "eV",
        "forces_mae": "eV/Å",
        "forces_rmse": "eV/Å",
        "forces_cosine": "dimensionless",
        "efwt": "fraction",
    }
    assert all(type(metrics[name]) in (int, float) for name in UNITS)


@pytest.mark.parametrize(
    ("de", "df", "expected"),
    [
        (0.02, 0.03, 1.0),  # both thresholds are inclusive
        (np.nextafter(0.02, 1), 0.03, 0.0),
        (0.02, np.nextafter(0.03, 1), 0.0),
        (-0.02, -0.03, 1.0),
    ],
)
def test_efwt_at_its_thresholds(de, df, expected):
    energies, forces = (np.zeros(1), np.array([de])), (np.zeros((1, 3)), np.array([[0.0, df, 0.0]]))
    p = Predictions(*energies, *forces, np.ones(1, dtype=int), np.ones(1, dtype=bool), ["a"])
    assert error_metrics(p)["efwt"] == expected


@settings(deadline=None, max_examples=60)
@given(predictions())
def test_against_brute_force(p):
    metrics = error_metrics(p)
    for name, expected in brute_force(p).items():
        assert metrics[name] == close(expected), name


@settings(deadline=None, max_examples=60)
@given(arrays(float, (4, 3), elements=st.floats(-9, 9)), arrays(float, (4, 3), elements=st.floats(-9, 9)))
def test_cosine_is_that_of_torch(a, b):
    expected = torch.cosine_similarity(torch.from_numpy(a), torch.from_numpy(b))
    np.testing.assert_allclose(cosines(a, b), expected.numpy(), rtol=RELATIVE, atol=ABSOLUTE)


def test_without_free_atoms_energies_are_still_measured(hand):
    metrics = error_metrics(dataclasses.replace(hand, free=np.zeros(3, dtype=bool)))
    assert metrics["energy_mae"] == close(0.26)
    assert all(math.isnan(metrics[name]) for name in ("forces_mae", "forces_rmse", "forces_cosine"))


def test_one_prediction_that_is_not_finite_shows(hand):
    diverged = error_metrics(
        dataclasses.replace(hand, energy_pred=[-10.0, np.nan], forces_pred=np.full((3, 3), np.inf))
    )
    assert math.isnan(diverged["energy_mae"])
    assert diverged["forces_mae"] == diverged["forces_rmse"] == math.inf
    assert math.isnan(diverged["forces_cosine"])
    assert diverged["efwt"] == 0.0
