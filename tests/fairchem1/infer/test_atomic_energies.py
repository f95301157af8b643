"""Energies of atoms with fairchem 1.10."""

from __future__ import annotations

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.hosts import load_predictor

from tests.helpers.atomic_energy_contract import AtomicEnergyContract, check_add_up, check_physical_units
from tests.helpers.exported import molecule, write_checkpoint


class TestAtomicEnergies(AtomicEnergyContract):
    """The tests of both hosts."""


def test_factors_and_references_of_fairchem(tmp_path):
    """Instead of label rescaling: rmsd, mean and references in float32."""
    path = write_checkpoint("schnet", tmp_path / "stock.pt", {"activation": "mish"})
    content = torch.load(path, weights_only=False)
    del content["label_rescaling"]
    content["normalizers"] = {
        "energy": {"mean": torch.tensor(-3.0), "rmsd": torch.tensor(0.7)},
        "forces": {"mean": torch.tensor(0.0), "rmsd": torch.tensor(0.7)},
    }
    content["elementrefs"] = {"energy": {"element_references": torch.linspace(-30, -1, 119)}}
    torch.save(content, path)
    predictor = load_predictor(path, cpu=True)
    check_add_up(predictor)
    check_physical_units(predictor, mean=-3.0)


@pytest.mark.parametrize("dc", [{"accelerate": "off"}, None])
def test_models_of_fairchem_have_none(tmp_path, dc):
    """Its own forward pass returns energies of structures only."""
    predictor = load_predictor(write_checkpoint("schnet", tmp_path / "off.pt", dc), cpu=True)
    assert "energies" not in predictor.properties
    with pytest.raises(UserError, match="accelerate is not off"):
        predictor.predict([molecule()], energies=True)
