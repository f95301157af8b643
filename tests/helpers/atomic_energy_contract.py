"""The checks of energies of atoms in predictions, the same on both hosts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.hosts import load_predictor
from ocp_dc.models.potential import Potential

from tests.helpers.exported import NAMES, apart, box, crystal, molecule, write_checkpoint

ROUNDING = 1e-5  # eV; the models compute in float32


def check_add_up(predictor: Any) -> None:
    """Compare the sums with the energies of structures of each kind, in a batch."""
    structures = [molecule(), crystal(), box(), apart()]
    found = predictor.predict(structures, energies=True)
    ends = np.cumsum([0, *map(len, structures)])
    sums = [found["energies"][start:end].sum() for start, end in pairwise(ends)]
    assert found["energies"].dtype == np.float64
    np.testing.assert_allclose(sums, found["energy"], rtol=0, atol=1e-8)
    order = np.random.default_rng(0).permutation(len(structures[1]))
    permuted = predictor.predict([structures[1][order]], energies=True)["energies"]
    np.testing.assert_allclose(permuted, found["energies"][ends[1] : ends[2]][order], rtol=0, atol=3 * ROUNDING)


def check_physical_units(predictor: Any, mean: float) -> None:
    """Compare energies of atoms without neighbors with those of pairs of one element, O and O, or H and H."""
    pair = predictor.predict([apart()], energies=True)["energies"]
    for element, energy in zip("OH", pair, strict=True):
        alike = Atoms(f"{element}2", apart().positions)
        assert energy == pytest.approx(predictor.predict([alike])["energy"][0] / 2, abs=ROUNDING)
    whole = predictor.predict([molecule()], energies=True)["energies"]
    far = apart()
    far.translate([30.0, 0, 0])
    both = molecule() + far
    found = predictor.predict([both], energies=True)["energies"]
    # a mean is shared among the atoms of a structure, nine of them or eleven
    np.testing.assert_allclose(found[:9] - mean / 11, whole - mean / 9, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(found[9:] - mean / 11, pair - mean / 2, rtol=0, atol=ROUNDING)


class AtomicEnergyContract:
    """Checkpoints of drawn weights have C = 0.7 eV, a mean of -3 eV, and references of the elements."""

    @pytest.fixture(scope="class")
    @classmethod
    def schnet(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A checkpoint of a small SchNet."""
        return write_checkpoint("schnet", tmp_path_factory.mktemp("schnet") / "schnet.pt", {"activation": "mish"})

    @pytest.mark.parametrize("name", NAMES)
    def test_sums_and_units(self, name: str, tmp_path: Path) -> None:
        """Each model, at once: they are slow to load."""
        predictor = load_predictor(write_checkpoint(name, tmp_path / f"{name}.pt", {"activation": "mish"}), cpu=True)
        assert predictor.properties == ("energy", "forces", "stress", "energies")
        check_add_up(predictor)
        check_physical_units(predictor, mean=-3.0)

    def test_nothing_is_computed_unasked(self, schnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither for other predictions nor for other properties of a calculator."""
        calls = []
        computed = Potential.atomic_energies

        def count(self: Any, *arguments: Any) -> torch.Tensor:
            calls.append(len(arguments[0]))
            return computed(self, *arguments)

        monkeypatch.setattr(Potential, "atomic_energies", count)
        atoms = crystal()
        atoms.calc = ocp_dc.calculator(schnet, cpu=True)
        assert set(atoms.calc.predictor.predict([atoms])) == {"energy", "forces", "stress"}
        energy = atoms.get_potential_energy()
        atoms.get_forces(), atoms.get_stress()
        assert calls == []
        assert "energies" not in atoms.calc.results
        assert atoms.get_potential_energies().sum() == pytest.approx(energy, abs=1e-8)
        assert calls == [len(atoms)]
        assert np.ptp(atoms.get_forces()) > 0

    def test_files(self, schnet: Path, tmp_path: Path) -> None:
        """``--energies`` writes an array."""
        ase.io.write(tmp_path / "in.xyz", [molecule(), crystal()])
        arguments = [str(schnet), str(tmp_path / "in.xyz"), "--out", str(tmp_path / "out.xyz"), "--cpu"]
        assert main(["predict", *arguments, "--energies"]) == 0
        expected = load_predictor(schnet, cpu=True).predict([molecule(), crystal()], energies=True)["energies"]
        found = ase.io.read(tmp_path / "out.xyz", ":")
        np.testing.assert_allclose(
            np.concatenate([atoms.get_potential_energies() for atoms in found]), expected, rtol=0, atol=ROUNDING
        )
        assert main(["predict", *arguments, "--overwrite"]) == 0
        assert "energies" not in ase.io.read(tmp_path / "out.xyz").calc.results

    def test_a_mean_has_none(self, tmp_path: Path) -> None:
        """The message says which models have them."""
        predictor = load_predictor(write_checkpoint("schnet", tmp_path / "mean.pt", readout="mean"), cpu=True)
        assert "energies" not in predictor.properties
        with pytest.raises(UserError, match=r"but no energies of atoms.*whose energy is a sum over the atoms"):
            predictor.predict([molecule()], energies=True)
