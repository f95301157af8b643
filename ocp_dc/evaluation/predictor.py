"""What evaluation, calculators and dynamics ask of a trained checkpoint, whatever its host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.float64]]

UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "energies": "eV"}
"""The properties that a predictor may have, with their units."""


class Predictor(Protocol):
    """A trained checkpoint that predicts structures of any composition, in physical units."""

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that it predicts, of :data:`UNITS`; ``energy`` is always one."""

    def predict(self, structures: Sequence[Atoms]) -> Arrays:
        """Return the predictions for B structures with N atoms in all, in float64, in the order of the structures.

        Returns:
            For each property its array: ``energy`` [B] in eV, ``forces`` [N, 3] in eV/Å, ``stress`` [B, 6] in eV/Å³ in
            the Voigt order and with the sign of ASE, NaN for structures without three periodic directions, and
            ``energies`` [N] in eV, the shares of the atoms in the energy.

        Raises:
            UserError: a structure has an element that is unknown, or a prediction is not finite.
        """
