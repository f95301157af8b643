"""One labelled structure in memory, and what a reader of structures offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ocp_dc.errors import UserError


@dataclass(frozen=True)
class Frame:
    """One structure with its labels.

    Attributes:
        numbers: atomic numbers (n,), int64.
        positions: (n, 3) in Å, float64.
        energy: eV, float64.
        forces: (n, 3) in eV/Å, float64.
        cell: the cell vectors as rows (3, 3) in Å; zeros where there is no cell.
        pbc: periodic along each cell vector (3,), bool.
        fixed: 1 for atoms that were held fixed (n,), int64.
        tags: OC20's tags: 0 subsurface, 1 surface, 2 adsorbate (n,), int64.
        sid: the number of the system, or of the trajectory that the frame belongs to; None where the source has none.
        fid: its number in that trajectory.
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

    @property
    def natoms(self) -> int:
        """The number of atoms."""
        return len(self.numbers)


class FrameSource(Protocol):
    """Labelled structures with random access, in eV and Å."""

    name: str
    """What messages and dataset.json call the source."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Frame: ...

    def describe(self) -> dict[str, object]:
        """Return what dataset.json records of the source: plain JSON values."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def molecule(numbers: NDArray, positions: NDArray, energy: float, forces: NDArray) -> Frame:
    """Return the frame of a free molecule: no cell, nothing fixed, all tags 0.

    Args:
        numbers: atomic numbers (n,).
        positions: (n, 3) in Å.
        energy: eV.
        forces: (n, 3) in eV/Å.
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


def check_finite(values: NDArray, what: str, name: str) -> None:
    """Refuse NaN and infinity.

    Args:
        values: one entry (of any shape) a frame, along the first axis.
        what: what the values are, for the message.
        name: the file.

    Raises:
        UserError: it names the first frame that is not finite, and how many are not.
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)  # (frames,)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise UserError(
            f"{name}: {what} of frame {bad[0]} are NaN or infinite ({len(bad)} such frame(s) in all); expected"
            " finite numbers. Take these frames out of the file"
        )
