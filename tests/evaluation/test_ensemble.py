"""Ensembles against NumPy's mean and standard deviation, and their calculator."""

from __future__ import annotations

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.calculator import PotentialCalculator
from ocp_dc.evaluation.ensemble import EnsemblePredictor

from tests.helpers.harmonic_predictor import Harmonic, clusters

STIFFNESSES = (1.0, 1.5, 3.5)
ALL = ("energy", "forces", "stress")


@pytest.fixture
def ensemble() -> EnsemblePredictor:
    return EnsemblePredictor([Harmonic(k, properties=ALL) for k in STIFFNESSES], ["a", "b", "c"])


def test_means_and_spreads(ensemble):
    structures = clusters(5)
    found = ensemble.predict(structures)
    assert ensemble.properties == ALL
    alone = [Harmonic(k, properties=ALL).predict(structures) for k in STIFFNESSES]
    for name in ALL:
        np.testing.assert_allclose(found[name], np.mean([each[name] for each in alone], axis=0))
    np.testing.assert_allclose(found["energy_std"], np.std([each["energy"] for each in alone], axis=0))
    # |F_m - mean F| = 2 |k_m - mean k| |r|
    lengths = np.linalg.norm(np.concatenate([atoms.positions for atoms in structures]), axis=1)
    np.testing.assert_allclose(found["forces_std"], 2 * np.std(STIFFNESSES) * lengths)


def test_energies_of_atoms_are_means_on_request():
    members = [Harmonic(k, properties=(*ALL, "energies")) for k in STIFFNESSES]
    ensemble, structures = EnsemblePredictor(members, ["a", "b", "c"]), clusters(5)
    assert "energies" not in ensemble.predict(structures)
    found = ensemble.predict(structures, energies=True)
    positions = np.concatenate([atoms.positions for atoms in structures])
    np.testing.assert_allclose(found["energies"], np.mean(STIFFNESSES) * (positions**2).sum(axis=1))
    assert found["energies"].sum() == pytest.approx(found["energy"].sum())


def test_the_spread_of_forces_does_not_depend_on_the_orientation(ensemble):
    atoms, turned = clusters(2)[1], clusters(2)[1]
    turned.rotate(50, (1, 2, 3), center=(0, 0, 0))
    spreads = [ensemble.predict([each])["forces_std"] for each in (atoms, turned)]
    np.testing.assert_allclose(spreads[0], spreads[1])


def test_the_calculator_has_both_spreads(ensemble):
    atoms = clusters(4)[3]
    atoms.calc = PotentialCalculator(ensemble)
    expected = ensemble.predict([atoms])
    assert atoms.get_potential_energy() == expected["energy"][0]
    assert atoms.calc.results["energy_std"] == expected["energy_std"][0]
    np.testing.assert_array_equal(atoms.calc.results["forces_std"], expected["forces_std"])
    np.testing.assert_array_equal(atoms.get_stress(), expected["stress"][0])


def test_one_member_is_no_ensemble():
    with pytest.raises(UserError, match=r"got 1 checkpoint\(s\), expected two or more"):
        EnsemblePredictor([Harmonic(1.0)], ["a"])


def test_members_agree_on_their_properties():
    members = [Harmonic(1.0), Harmonic(1.0, properties=("energy",))]
    with pytest.raises(UserError, match="ensemble: b predicts energy, but a energy, forces"):
        EnsemblePredictor(members, ["a", "b"])


def test_an_error_names_the_member(ensemble, monkeypatch):
    def refuse(structures, energies):
        raise UserError("unknown element Au")

    monkeypatch.setattr(ensemble.members[1], "predict", refuse)
    with pytest.raises(UserError, match=r"^b: unknown element Au"):
        ensemble.predict(clusters(1))
