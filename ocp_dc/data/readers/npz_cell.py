"""Check of cells in npz files of molecules; cells are not part of these layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.data.boundaries import LARGEST_MOLECULE, has_volume, make_whole
from ocp_dc.data.safe_npz import load_npz

CONTACT = 3.0  # Å; images of a molecule are rarely closer
CELL_NAMES = ("lattice", "lattice_vectors", "cell", "cells", "unit_cell", "box")  # lattice in sGDML


def unread_cell(path: Path | str, held: Sequence[str], positions: NDArray, length: float, name: str) -> list[str]:
    """Return a remark for each cell of a file, which is not read; refuse a file of periodic structures.

    Args:
        path: the file.
        held: the names of its arrays.
        positions: [N, 3] of the first structure, in Å.
        length: the unit of the cell, in Å.
        name: the name of the file in messages.

    Returns:
        a sentence for each cell; an empty list if an array ``pbc`` has no periodic direction.

    Raises:
        UserError: the first structure is a crystal or a liquid in its cell.
    """
    flags = _array(path, "pbc") if "pbc" in held else None
    if flags is not None and not flags.any():
        return []
    notes = []
    for key in (key for key in held if key.lower() in CELL_NAMES):
        cell = _first_cell(_array(path, key))
        if cell is None or not np.isfinite(cell).all() or not has_volume(cell):
            continue
        cell = cell * length
        # vectors are rows in ase's convention and columns in sGDML's
        unwrapped = [make_whole(positions, each, np.ones(3, dtype=bool)) for each in (cell, cell.T)]
        apart = any(whole.is_molecule and whole.image_distance > CONTACT for whole in unwrapped)
        if len(positions) <= LARGEST_MOLECULE and not apart:
            raise UserError(
                f"{name}: has a cell ({key}), in which its structures are periodic; expected free molecules: npz files "
                "are read without cells. Write them as extended XYZ with Lattice and pbc, and use --format ase"
            )
        notes.append(f"the cell of the file ({key}) is not read: the structures are read as free molecules")
    return notes


def _array(path: Path | str, key: str) -> NDArray[np.float64] | None:
    try:
        return np.asarray(load_npz(path, [key])[key], dtype=np.float64)
    except (UnsafeDataError, ValueError):  # Python objects, or not numeric
        return None


def _first_cell(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
    """Return the vectors [3, 3] of the first structure; None if the array has no cells."""
    if array is None or not array.size:
        return None
    if array.shape == (3,):
        return np.diag(array)
    return array.reshape(-1, 3, 3)[0] if array.shape[-2:] == (3, 3) else None
