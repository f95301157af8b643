"""What evaluation, calculators and dynamics ask of a trained checkpoint, whatever its host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError

Arrays = dict[str, NDArray[np.float64]]

UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "energies": "eV"}
"""The properties that a predictor may have, with their units."""


class Predictor(Protocol):
    """A trained checkpoint that predicts structures of any composition, in physical units."""

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that it predicts, of :data:`UNITS`; ``energy`` is always one."""

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the predictions for B structures with N atoms in all, in float64, in the order of the structures.

        Args:
            structures: ase's atoms.
            energies: return ``energies``, too, which takes another evaluation of the network.

        Returns:
            For each property its array: ``energy`` [B] in eV, ``forces`` [N, 3] in eV/Å, ``stress`` [B, 6] in eV/Å³ in
            the Voigt order and with the sign of ASE, NaN for structures without three periodic directions, and
            ``energies`` [N] in eV, the terms of the atoms, whose sum is the energy.

        Raises:
            UserError: a structure has an element that is unknown, a prediction is not finite, or ``energies`` are asked
                for and not among the properties.
        """


def check_energies(properties: Sequence[str]) -> None:
    """Check that a checkpoint predicts energies of atoms; raises UserError."""
    if "energies" not in properties:
        raise UserError(
            f"the checkpoint predicts {', '.join(properties)}, but no energies of atoms: only models of ocp_dc have "
            "them (accelerate is not off) whose energy is a sum over the atoms, and not those with direct forces"
        )


def add_up(energies: NDArray[np.float64], energy: NDArray[np.float64], natoms: Sequence[int]) -> NDArray[np.float64]:
    """Shift the energies of the atoms of each structure evenly, so that their sum is its energy.

    Thus a constant of each structure, and the rounding of its energy, are shared among its atoms.

    Args:
        energies: [N], in eV.
        energy: [B], in eV.
        natoms: [B], the number of atoms of each structure.
    """
    batch = np.repeat(np.arange(len(natoms)), natoms)  # [N]
    sums = np.bincount(batch, weights=energies, minlength=len(natoms))  # [B]
    shifted: NDArray[np.float64] = energies + ((energy - sums) / np.asarray(natoms))[batch]
    return shifted
