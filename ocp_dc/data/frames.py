"""One labeled structure in memory, and the interface of the readers of structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ocp_dc.data.structure_check import check_labels, check_stress, check_structure


@dataclass(frozen=True)
class Frame:
    """One structure with its labels.

    Attributes:
        numbers: atomic numbers [N], int64.
        positions: [N, 3] in Å, float64.
        energy: eV, float64.
        forces: [N, 3] in eV/Å, float64.
        cell: the cell vectors as rows [3, 3] in Å; zeros where there is no cell.
        pbc: periodic along each cell vector [3], bool.
        fixed: 1 for atoms that were held fixed [N], int64.
        tags: OC20's tags: 0 subsurface, 1 surface, 2 adsorbate [N], int64.
        sid: the number of the system or trajectory that the frame belongs to; None where the source has none.
        fid: its number in that trajectory.
        stress: [6] in eV/Å³ in Voigt order (xx, yy, zz, yz, xz, xy), positive under tension, as in ase; None where the
            source has none.
        config_type: the kind of structure, such as ``bulk`` or ``surface``; None where the source has none.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    energy: float
    forces: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.bool_]
    fixed: NDArray[np.int64]
    tags: NDArray[np.int64]
    sid: int | None = None
    fid: int = 0
    stress: NDArray[np.float64] | None = None
    config_type: str | None = None

    @property
    def natoms(self) -> int:
        """The number of atoms."""
        return len(self.numbers)


class FrameSource(Protocol):
    """Labeled structures with random access, in eV and Å."""

    name: str
    """The name of the source in messages and in dataset.json."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame: ...

    def where(self, index: int) -> str:
        """Return the location of a structure for messages: its file, and its number in the file from 0."""
        ...

    def notes(self) -> list[str]:
        """Return remarks for the user on the structures read so far, one sentence each."""
        ...

    def describe(self) -> dict[str, object]:
        """Return the description of the source for dataset.json, as plain JSON values."""
        ...

    def close(self) -> None:
        """Close open files."""
        ...


def molecule(numbers: NDArray, positions: NDArray, energy: float, forces: NDArray) -> Frame:
    """Return the frame of a free molecule: no cell, nothing fixed, all tags 0.

    Args:
        numbers: atomic numbers [N].
        positions: [N, 3] in Å.
        energy: eV.
        forces: [N, 3] in eV/Å.
    """
    n = len(numbers)
    return Frame(
        numbers=np.asarray(numbers, dtype=np.int64),
        positions=np.asarray(positions, dtype=np.float64),
        energy=float(energy),
        forces=np.asarray(forces, dtype=np.float64),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
        fixed=np.zeros(n, dtype=np.int64),
        tags=np.zeros(n, dtype=np.int64),
    )


def check_frame(frame: Frame, where: str) -> tuple[tuple[int, int], float]:
    """Check that a structure and its labels are valid.

    Args:
        frame: the structure.
        where: its location for messages: its file and its number.

    Returns:
        The two closest atoms, and their distance in Å; infinity for a single atom.

    Raises:
        UserError: a check of :mod:`ocp_dc.data.structure_check` fails.
    """
    closest = check_structure(frame.numbers, frame.positions, frame.cell, frame.pbc, where)
    check_labels(frame.energy, frame.forces, where)
    check_stress(frame.stress, where)
    return closest
