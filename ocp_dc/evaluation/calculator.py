"""The ASE calculator of trained checkpoints, the same for both hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes

from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_check import check_structure
from ocp_dc.evaluation.predictor import Arrays, Predictor


class PotentialCalculator(Calculator):
    """An ASE calculator with energies in eV, in float64, forces in eV/Å, and stresses in eV/Å³ of periodic structures.

    It refuses structures that are not plausible before the network sees them. ``results`` of an ensemble also have
    ``energy_std`` in eV and ``forces_std`` [N] in eV/Å, see :class:`ocp_dc.evaluation.ensemble.EnsemblePredictor`.

    Args:
        predictor: the checkpoint.
    """

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.predictor = predictor
        self.implemented_properties = [*predictor.properties, "free_energy"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything that the model predicts for ``atoms`` with one evaluation of the network.

        The energies of the atoms take another one; they are computed where ``properties`` has ``energies``.

        Raises:
            UserError: the structure is not plausible (no atoms, atoms on top of each other, or coordinates that are
                not finite or beyond 1e4 Å, as after unstable molecular dynamics), or :meth:`Predictor.predict` raises
                it.
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
        found = self.predictor.predict([structure], energies="energies" in properties)
        self.results = results_of(found, 0, slice(0, len(structure)), periodic)


def results_of(found: Arrays, index: int, atoms: slice, periodic: bool) -> dict[str, Any]:
    """Return the results of ASE for one structure of a batch.

    Args:
        found: the predictions for the batch.
        index: the number of the structure in the batch.
        atoms: its atoms in the batch.
        periodic: it is periodic along all three vectors, so that it has a stress.
    """
    energy = float(found["energy"][index])
    results: dict[str, Any] = {"energy": energy, "free_energy": energy}
    results |= {name: found[name][atoms] for name in ("forces", "energies", "forces_std") if name in found}
    if "energy_std" in found:
        results["energy_std"] = float(found["energy_std"][index])
    if "stress" in found and periodic:
        results["stress"] = found["stress"][index]
    return results
