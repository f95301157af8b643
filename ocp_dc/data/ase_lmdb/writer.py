"""Writer of aselmdb files through ase-db-backends, and of the metadata.npz beside them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.rows import Row

SUFFIX = ".aselmdb"
FILE = f"data{SUFFIX}"


def write_aselmdb(path: Path | str, rows: Iterable[Row]) -> list[int]:
    """Write a file of ase rows, one row in memory at a time.

    Args:
        path: the file to create; its folder must exist.
        rows: the rows in order.

    Returns:
        The number of atoms of each row, for :func:`write_metadata`.

    Raises:
        UserError: the file exists, or ase-db-backends is not installed.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path}: exists; remove it or choose another name")
    try:
        from ase_db_backends.aselmdb import LMDBDatabase
    except ModuleNotFoundError as error:
        raise UserError(
            "--to aselmdb needs ase-db-backends, which is not installed; `pip install ase-db-backends`"
        ) from error
    from ase.db.core import now
    from ase.db.row import AtomsRow

    natoms: list[int] = []
    database = LMDBDatabase(path, use_lock_file=False)
    with database:  # one transaction
        for values, data in rows:
            # a row made from a dict, as one made from atoms also stores the name of the user
            row = AtomsRow({**values, "unique_id": uuid.uuid4().hex, "ctime": now()})
            database.write(row, data=data)
            natoms.append(len(values["numbers"]))
            # The list of all rows is searched at each write, in a time that grows with it; nothing else reads it here.
            database.ids.clear()
    path.with_name(f"{path.name}-lock").unlink(missing_ok=True)  # fairchem 2 would try to open it
    return natoms


def write_metadata(folder: Path | str, natoms: Sequence[int]) -> None:
    """Write the metadata.npz that fairchem's samplers read: the number of atoms of each structure of the folder."""
    np.savez(Path(folder) / "metadata.npz", natoms=np.asarray(natoms, dtype=np.int64))
