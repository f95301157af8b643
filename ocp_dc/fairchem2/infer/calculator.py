"""The ASE calculator for a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_check import check_structure
from ocp_dc.fairchem2.infer.structures import Predictor


class DCCalculator(Calculator):
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

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything that the model predicts for ``atoms`` with one evaluation of the network.

        Raises:
            UserError: the structure is not plausible (no atoms, atoms on top of each other, or coordinates that are
                not finite or beyond 1e4 Å, as after unstable molecular dynamics), it has an element that is unknown
                to the model, or the prediction is not finite.
            PropertyNotImplementedError: a stress is asked for without three periodic directions.
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms  # the copy with which ase detects changes
        if structure is None:
            raise UserError("calculator: got no atoms, expected an ase.Atoms")
        self.results = {}  # keep no results of the previous structure if this one is rejected
        cell = structure.cell.array if structure.cell.array.any() else None
        check_structure(structure.numbers, structure.positions, cell, structure.pbc, "calculator: the structure")
        periodic = bool(structure.pbc.all())
        if "stress" in properties and not periodic:
            raise PropertyNotImplementedError("a stress needs a structure that is periodic along all three vectors")
        found = self.predictor.predict([structure])
        energy = float(found["energy"][0])
        self.results = {"energy": energy, "free_energy": energy}
        if "forces" in found:
            self.results["forces"] = found["forces"].numpy()
        if "stress" in found and periodic:
            self.results["stress"] = full_3x3_to_voigt_6_stress(found["stress"][0].numpy())
