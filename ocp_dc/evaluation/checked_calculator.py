"""The base class of the hosts' ASE calculators: structures are checked before the network sees them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_check import check_structure


class CheckedCalculator(Calculator, ABC):
    """An ASE calculator that refuses structures that are not plausible, with energies in eV and forces in eV/Å."""

    @abstractmethod
    def predict(self, structure: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return everything that the model predicts for a structure, by ASE's names.

        Args:
            structure: the structure; it has been checked.
            properties: the properties that are asked for.

        Raises:
            UserError: the structure has an element that is unknown, or the prediction is not finite.
        """

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute everything that the model predicts for ``atoms`` with one evaluation of the network.

        Raises:
            UserError: the structure is not plausible (no atoms, atoms on top of each other, or coordinates that are
                not finite or beyond 1e4 Å, as after unstable molecular dynamics), or see :meth:`predict`.
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms  # the copy with which ase detects changes
        if structure is None:
            raise UserError("calculator: got no atoms, expected an ase.Atoms")
        self.results = {}  # keep no results of the previous structure if this one is rejected
        cell = structure.cell.array if structure.cell.array.any() else None
        check_structure(structure.numbers, structure.positions, cell, structure.pbc, "calculator: the structure")
        self.results = self.predict(structure, properties)
