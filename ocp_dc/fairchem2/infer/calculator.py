"""The ASE calculator for a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.stress import full_3x3_to_voigt_6_stress

from ocp_dc.evaluation.checked_calculator import CheckedCalculator
from ocp_dc.fairchem2.infer.structures import Predictor


class DCCalculator(CheckedCalculator):
    """ASE calculator with energies in eV, in float64, forces in eV/Å, and stresses in eV/Å³ for periodic structures.

    Args:
        checkpoint: an inference checkpoint of ocp_dc or fairchem.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
    """

    def __init__(self, checkpoint: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> None:
        super().__init__()
        self.predictor = Predictor(checkpoint, cpu, trust_modules)
        known = [name for name in ("energy", "forces", "stress") if name in self.predictor.properties]
        self.implemented_properties = [*known, "free_energy"]

    def predict(self, structure: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return energy, forces and stress, those that the model has.

        Raises:
            UserError: see :meth:`CheckedCalculator.predict`.
            PropertyNotImplementedError: a stress is asked for without three periodic directions.
        """
        periodic = bool(structure.pbc.all())
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("a stress needs a structure that is periodic along all three vectors")
        found = self.predictor.predict([structure])
        energy = float(found["energy"][0])
        results: dict[str, Any] = {"energy": energy, "free_energy": energy}
        if "forces" in found:
            results["forces"] = found["forces"].numpy()
        if "stress" in found and periodic:
            results["stress"] = full_3x3_to_voigt_6_stress(found["stress"][0].numpy())
        return results
