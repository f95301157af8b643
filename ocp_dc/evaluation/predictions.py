"""What a model predicted for a set of structures, beside the labels: the one input of every evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocp_dc.core.errors import UserError


@dataclass(eq=False)
class Predictions:
    """Energies and forces of S structures with A atoms in all, the atoms of one structure after those of another.

    Args:
        energy_true: (S,) labels, eV.
        energy_pred: (S,) predictions, eV. They may be NaN or infinite: a diverged model has errors of NaN.
        forces_true: (A, 3) labels, eV/Å.
        forces_pred: (A, 3) predictions, eV/Å.
        natoms: (S,) atoms of each structure, at least 1.
        free: (A,) bool, true where an atom may move. Only these count in errors of forces.
        ids: S names of the structures.

    Raises:
        UserError: no structures, shapes that do not fit together, labels that are not finite.
    """

    energy_true: np.ndarray
    energy_pred: np.ndarray
    forces_true: np.ndarray
    forces_pred: np.ndarray
    natoms: np.ndarray
    free: np.ndarray
    ids: Sequence[str]

    def __post_init__(self) -> None:
        for name in ("energy_true", "energy_pred", "forces_true", "forces_pred"):
            setattr(self, name, _float64(name, getattr(self, name)))
        self.natoms = np.asarray(self.natoms)
        self.free = np.asarray(self.free)
        self.ids = [str(name) for name in self.ids]
        self._check()

    @property
    def energy_error(self) -> np.ndarray:
        """(S,) predicted minus true energy, eV."""
        return self.energy_pred - self.energy_true

    @property
    def forces_error(self) -> np.ndarray:
        """(F, 3) predicted minus true forces of the F free atoms, eV/Å."""
        return self.forces_pred[self.free] - self.forces_true[self.free]

    @property
    def first_atom(self) -> np.ndarray:
        """(S,) row of each structure's first atom."""
        return np.cumsum(self.natoms) - self.natoms

    @property
    def n_free(self) -> np.ndarray:
        """(S,) free atoms of each structure."""
        return np.add.reduceat(self.free.astype(np.int64), self.first_atom)

    @property
    def max_force_error(self) -> np.ndarray:
        """(S,) largest absolute error of a force component over the free atoms, eV/Å; 0 where none is free."""
        return np.maximum.reduceat(self.atom_force_error, self.first_atom)

    @property
    def atom_force_error(self) -> np.ndarray:
        """(A,) largest absolute error of a force component of each atom, eV/Å; 0 for fixed atoms."""
        error = np.zeros(len(self.free))
        error[self.free] = np.abs(self.forces_error).max(axis=1)  # (F, 3) -> (F,)
        return error

    def _check(self) -> None:
        structures = self.energy_true.size
        if structures == 0:
            raise UserError("got no structures, expected at least one: is the data set empty?")
        if self.natoms.dtype.kind not in "iu" or (self.natoms < 1).any():
            raise UserError("natoms: got counts that are no integers or are below 1, expected the atoms per structure")
        if self.free.dtype != bool:
            raise UserError(f"free: got dtype {self.free.dtype}, expected bool (for OC20's `fixed`: fixed == 0)")
        atoms = int(self.natoms.sum())
        for name in ("energy_true", "energy_pred", "natoms"):
            _same_shape(name, getattr(self, name).shape, (structures,), "one per structure")
        for name in ("forces_true", "forces_pred"):
            _same_shape(name, getattr(self, name).shape, (atoms, 3), "natoms.sum() rows of x, y, z")
        _same_shape("free", self.free.shape, (atoms,), "one per atom, natoms.sum() in all")
        _same_shape("ids", (len(self.ids),), (structures,), "one per structure")
        for name in ("energy_true", "forces_true"):
            if not np.isfinite(getattr(self, name)).all():
                raise UserError(f"{name}: got NaN or infinite labels, expected finite ones: mend the data set")


def _float64(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: got {type(values).__name__} ({error}), expected an array of numbers") from error


def _same_shape(name: str, got: tuple[int, ...], expected: tuple[int, ...], meaning: str) -> None:
    if got != expected:
        raise UserError(f"{name}: got shape {got}, expected {expected} ({meaning})")
