"""Predictions of a model for a set of structures, with their labels: the input of every evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import count as number

OPTIONAL_NUMBERS = ("stress_true", "stress_pred", "energy_std", "forces_std")
OPTIONAL = (*OPTIONAL_NUMBERS, "numbers", "config_types")


@dataclass(eq=False)
class Predictions:
    """Energies and forces of B structures with N atoms in total; the atoms are in the order of the structures.

    Args:
        energy_true: ``[B]`` labels, eV; all NaN for structures without energies.
        energy_pred: ``[B]`` predictions, eV. They may be NaN or infinite if the model has diverged.
        forces_true: ``[N, 3]`` labels, eV/Å; all NaN for structures without forces.
        forces_pred: ``[N, 3]`` predictions, eV/Å.
        natoms: ``[B]`` number of atoms of each structure, at least 1.
        free: ``[N]`` bool, true for an atom that may move. Errors of forces include only these atoms.
        ids: ``[B]`` names of the structures.
        stress_true: ``[B, 6]`` labels in the order of Voigt, eV/Å³; NaN for structures without a stress.
        stress_pred: ``[B, 6]`` predictions, eV/Å³; NaN for structures without three periodic directions.
        energy_std: ``[B]`` spread of an ensemble, eV; see :class:`ocp_dc.evaluation.ensemble.EnsemblePredictor`.
        forces_std: ``[N]`` spread of an ensemble, eV/Å.
        numbers: ``[N]`` atomic numbers; None for predictions of earlier versions.
        config_types: ``[B]`` kinds of structures, empty for a structure without one; None where none has one.

    Raises:
        UserError: there are no structures, shapes do not match, or some labels are not finite.
    """

    energy_true: np.ndarray
    energy_pred: np.ndarray
    forces_true: np.ndarray
    forces_pred: np.ndarray
    natoms: np.ndarray
    free: np.ndarray
    ids: Sequence[str]
    stress_true: np.ndarray | None = None
    stress_pred: np.ndarray | None = None
    energy_std: np.ndarray | None = None
    forces_std: np.ndarray | None = None
    numbers: np.ndarray | None = None
    config_types: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("energy_true", "energy_pred", "forces_true", "forces_pred"):
            setattr(self, name, _float64(name, getattr(self, name)))
        for name in OPTIONAL_NUMBERS:
            if getattr(self, name) is not None:
                setattr(self, name, _float64(name, getattr(self, name)))
        self.natoms = np.asarray(self.natoms)
        self.free = np.asarray(self.free)
        self.ids = [str(name) for name in self.ids]
        if self.config_types is not None:
            self.config_types = [str(name) for name in self.config_types]
        self._check()

    @property
    def has_energies(self) -> bool:
        """True if the structures have energies as labels."""
        return not np.isnan(self.energy_true).all()

    @property
    def has_forces(self) -> bool:
        """True if the structures have forces as labels."""
        return not np.isnan(self.forces_true).all()

    @property
    def energy_error(self) -> np.ndarray:
        """Predicted minus true energy, ``[B]``, eV."""
        return self.energy_pred - self.energy_true

    @property
    def forces_error(self) -> np.ndarray:
        """Predicted minus true forces of the free atoms, ``[N_free, 3]``, eV/Å."""
        return self.forces_pred[self.free] - self.forces_true[self.free]

    @property
    def first_atom(self) -> np.ndarray:
        """Row of each structure's first atom, ``[B]``."""
        return np.cumsum(self.natoms) - self.natoms

    @property
    def n_free(self) -> np.ndarray:
        """Number of free atoms of each structure, ``[B]``."""
        return np.add.reduceat(self.free.astype(np.int64), self.first_atom)

    @property
    def max_force_error(self) -> np.ndarray:
        """Largest absolute error of a force component over the free atoms, ``[B]``, eV/Å; 0 without free atoms."""
        return np.maximum.reduceat(self.atom_force_error, self.first_atom)

    @property
    def atom_force_error(self) -> np.ndarray:
        """Largest absolute error of a force component of each atom, ``[N]``, eV/Å; 0 for fixed atoms."""
        error = np.zeros(len(self.free))
        error[self.free] = np.abs(self.forces_error).max(axis=1)  # [N_free, 3] -> [N_free]
        return error

    def _check(self) -> None:
        structures = self.energy_true.size
        if structures == 0:
            raise UserError("got no structures, expected at least one: is the data set empty?")
        if self.natoms.dtype.kind not in "iu" or (self.natoms < 1).any():
            raise UserError("natoms: got counts that are not integers or below 1, expected the atoms per structure")
        if self.free.dtype != bool:
            raise UserError(f"free: got dtype {self.free.dtype}, expected bool (for OC20's `fixed`: fixed == 0)")
        atoms = int(self.natoms.sum())
        for name in ("energy_true", "energy_pred", "natoms"):
            _same_shape(name, getattr(self, name).shape, (structures,), "one per structure")
        for name in ("forces_true", "forces_pred"):
            _same_shape(name, getattr(self, name).shape, (atoms, 3), "natoms.sum() rows of x, y, z")
        _same_shape("free", self.free.shape, (atoms,), "one per atom, natoms.sum() in all")
        _same_shape("ids", (len(self.ids),), (structures,), "one per structure")
        for name, shape in (("stress", (structures, 6)), ("energy_std", (structures,)), ("forces_std", (atoms,))):
            for each in (f"{name}_true", f"{name}_pred") if name == "stress" else (name,):
                if (values := getattr(self, each)) is not None:
                    _same_shape(each, values.shape, shape, "one per structure, or per atom")
        if self.numbers is not None:
            _same_shape("numbers", np.shape(self.numbers), (atoms,), "one per atom")
        if self.config_types is not None:
            _same_shape("config_types", (len(self.config_types),), (structures,), "one per structure")
        for name, known in (("energy_true", self.has_energies), ("forces_true", self.has_forces)):
            values = getattr(self, name).reshape(len(getattr(self, name)), -1)
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if known and len(bad):
                structure = bad[0] if name == "energy_true" else np.searchsorted(self.first_atom, bad[0], "right") - 1
                raise UserError(
                    f"{name}: got NaN or infinite labels, first for structure {structure} ({self.ids[structure]}); "
                    "expected labels of all structures, or of none: fix the data set"
                )


def _float64(name: str, values: object) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: got {type(values).__name__} ({error}), expected an array of numbers") from error


def _same_shape(name: str, got: tuple[int, ...], expected: tuple[int, ...], meaning: str) -> None:
    if got != expected:
        raise UserError(f"{name}: got shape {got}, expected {expected} ({meaning})")


def count_to_predict(first_n: int | None, available: int, data: str | Path) -> int:
    """Return the number of structures to predict: the first ``first_n`` of those available, or all for None.

    Args:
        first_n: the number that is asked for.
        available: the number of structures of the data set.
        data: the data set, for the message.

    Raises:
        UserError: ``first_n`` is not a whole number, is below 1, or is above ``available``.
    """
    if first_n is None:
        return available
    if not isinstance(first_n, int):
        number().check(first_n, "first_n")
    if not 1 <= first_n <= available:
        raise UserError(f"first_n: got {first_n}, expected 1 to {available}, the structures of {data}")
    return first_n
