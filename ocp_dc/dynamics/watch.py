"""Signs that a simulation has left the structures that a potential describes."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.neighborlist import neighbor_list

BOND = 1.2  # longest bond of a first structure, in sums of covalent radii
BROKEN = 2.0  # length of a broken bond, in sums of covalent radii
TOO_CLOSE = 0.4  # shortest distance, in sums of covalent radii: 0.25 Å for two hydrogens, 0.61 Å for two carbons


class BondWatch:
    """The bonds of a structure: pairs, or periodic images, within :data:`BOND` sums of covalent radii.

    Atoms must not be wrapped into the cell afterwards.

    Args:
        atoms: the structure.
    """

    def __init__(self, atoms: Atoms) -> None:
        radii = covalent_radii[atoms.numbers]
        first, second, images = neighbor_list("ijS", atoms, cutoff=BOND * radii)
        once = first < second
        self.pairs = np.stack([first[once], second[once]])  # [2, P]
        self._images = images[once]  # [P, 3]
        self._reach = radii[self.pairs].sum(axis=0)  # [P]

    def lengths(self, atoms: Atoms) -> np.ndarray:
        """Return the lengths [P] of the bonds in another structure of the same atoms, in sums of covalent radii."""
        first, second = self.pairs
        vectors = atoms.positions[second] - atoms.positions[first] + self._images @ atoms.cell.array  # [P, 3]
        return np.linalg.norm(vectors, axis=1) / self._reach

    def broken(self, atoms: Atoms) -> str | None:
        """Return which bond is longer than :data:`BROKEN`, in words; None if none is."""
        lengths = self.lengths(atoms)
        if not len(lengths) or not (longest := lengths.max()) > BROKEN:
            return None
        worst = int(lengths.argmax())
        return (
            f"the atoms fly apart: the bond {_names(atoms, *self.pairs[:, worst])} is "
            f"{longest * self._reach[worst]:.2f} Å long, {longest:.1f} times the sum of the covalent radii"
        )


def too_close(atoms: Atoms) -> str | None:
    """Return which atoms are closer than :data:`TOO_CLOSE` sums of covalent radii, in words; None if none are."""
    first, second, distances = neighbor_list("ijd", atoms, cutoff=TOO_CLOSE * covalent_radii[atoms.numbers])
    if not len(distances):
        return None
    worst = int(distances.argmin())
    return f"atoms are too close: {_names(atoms, first[worst], second[worst])} are {distances[worst]:.2f} Å apart"


def _names(atoms: Atoms, *indices: int) -> str:
    return " and ".join(f"{chemical_symbols[atoms.numbers[index]]}{index}" for index in indices)
