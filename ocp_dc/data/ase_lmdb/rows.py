"""Rows of an ase database for structures, as ``ase.db`` stores them; all numbers keep float64."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ocp_dc.data.boundaries import complete_cell, stored_positions
from ocp_dc.data.frames import Frame
from ocp_dc.data.structure_check import check_cell


class Row(NamedTuple):
    """One row.

    Attributes:
        values: what an ``ase.db.row.AtomsRow`` is made from: numbers [N], positions [N, 3] in Å, cell [3, 3] in Å, pbc
            [3], tags [N], and, where known, energy in eV, forces [N, 3] in eV/Å, stress [6] in eV/Å³ and constraints.
        data: further values by name; fairchem 2 puts them into ``atoms.info``.
    """

    values: dict[str, Any]
    data: dict[str, Any]


def frame_row(frame: Frame, sid: int) -> Row:
    """Return the row of a structure.

    Positions are wrapped or unwrapped, and missing cell vectors are added, as in the LMDBs of OC20: fairchem 2 needs a
    cell with a volume if any direction is periodic.

    Args:
        frame: the structure.
        sid: the number of the system, used where the frame has none.

    Raises:
        UserError: a periodic direction has no cell vector.
    """
    check_cell(frame.cell, frame.pbc, f"structure {sid}")
    cell = complete_cell(frame.cell, frame.pbc, frame.positions) if frame.pbc.any() else frame.cell
    values = structure_values(
        frame.numbers, stored_positions(frame.positions, cell, frame.pbc), cell, frame.pbc, frame.fixed, frame.tags
    )
    values |= {"energy": frame.energy, "forces": frame.forces}
    if frame.stress is not None:
        values["stress"] = frame.stress
    kind = {} if frame.config_type is None else {"config_type": frame.config_type}
    return Row(values, {"sid": sid if frame.sid is None else frame.sid, "fid": frame.fid, **kind})


def structure_values(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray, fixed: np.ndarray, tags: np.ndarray
) -> dict[str, Any]:
    """Return the values of a row without labels.

    Args:
        numbers: atomic numbers [N].
        positions: [N, 3] in Å.
        cell: the cell vectors as rows [3, 3] in Å.
        pbc: periodic along each vector [3].
        fixed: nonzero for atoms that were held fixed [N]; they become a constraint ``FixAtoms``.
        tags: OC20's tags [N].
    """
    values: dict[str, Any] = {
        "numbers": np.asarray(numbers, dtype=np.int64),
        "positions": np.asarray(positions, dtype=np.float64),
        "cell": np.asarray(cell, dtype=np.float64),
        "pbc": np.asarray(pbc, dtype=bool),
        "tags": np.asarray(tags, dtype=np.int64),
    }
    if np.any(fixed):
        indices = np.flatnonzero(fixed).tolist()
        values["constraints"] = [{"name": "FixAtoms", "kwargs": {"indices": indices}}]
    return values
