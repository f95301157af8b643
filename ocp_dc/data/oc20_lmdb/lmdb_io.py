"""Writer of LMDBs in the layout of OC20: one pickled PyG Data per key, a key ``length``, and a metadata.npz.

A checksum follows each pickle; other readers ignore it.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lmdb
import numpy as np
import torch
from ase.stress import voigt_6_to_full_3x3_stress

from ocp_dc.core.errors import UserError
from ocp_dc.data.boundaries import complete_cell, stored_positions
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.record_checksum import seal
from ocp_dc.data.oc20_lmdb.sample_form import STRESS_KEY
from ocp_dc.data.optional_pyg import needs_pyg
from ocp_dc.data.structure_check import check_cell

if TYPE_CHECKING:
    from torch_geometric.data import Data

RECORDS_PER_TRANSACTION = 1000
FIRST_MAP_SIZE = 1 << 24  # bytes; doubled when the map is full


def to_data(frame: Frame, sid: int) -> Data:
    """Return a structure as a record in the layout of OC20.

    Args:
        frame: the structure.
        sid: the number of the system, used where the frame has none.

    Returns:
        pos [N, 3] float32, wrapped or unwrapped by :func:`boundaries.stored_positions`; cell [1, 3, 3] float32, with
        all vectors if any direction is periodic; atomic_numbers [N] int64; natoms int; y float (eV, in float64); force
        [N, 3] float32; fixed and tags [N] int32; pbc [1, 3] bool; sid and fid int; where the frame has a stress, stress
        [1, 3, 3] float32.

    Raises:
        UserError: a periodic direction has no cell vector, or torch-geometric is not installed.
    """
    with needs_pyg("an LMDB in the layout of OC20"):
        from torch_geometric.data import Data

    check_cell(frame.cell, frame.pbc, f"structure {sid}")
    cell = complete_cell(frame.cell, frame.pbc, frame.positions) if frame.pbc.any() else frame.cell
    positions = stored_positions(frame.positions, cell, frame.pbc)
    stress = None if frame.stress is None else voigt_6_to_full_3x3_stress(frame.stress)
    return Data(
        pos=torch.tensor(positions, dtype=torch.float32),
        # PyG batches along the leading dimension.
        cell=torch.tensor(cell, dtype=torch.float32).view(1, 3, 3),
        pbc=torch.tensor(frame.pbc, dtype=torch.bool).view(1, 3),
        atomic_numbers=torch.tensor(frame.numbers, dtype=torch.long),
        natoms=frame.natoms,
        y=frame.energy,
        force=torch.tensor(frame.forces, dtype=torch.float32),
        fixed=torch.tensor(frame.fixed, dtype=torch.int),
        tags=torch.tensor(frame.tags, dtype=torch.int),
        sid=sid if frame.sid is None else frame.sid,
        fid=frame.fid,
        **({} if stress is None else {STRESS_KEY: torch.tensor(stress, dtype=torch.float32).view(1, 3, 3)}),
    )


def write_lmdb(
    path: Path | str, samples: Iterable[Data], records_per_transaction: int = RECORDS_PER_TRANSACTION
) -> int:
    """Write an LMDB and its metadata.npz, keeping only one transaction's records in memory.

    Args:
        path: the file to create; its folder must exist and hold no other LMDB, as fairchem reads the metadata.npz of
            the folder.
        samples: the records in order; each has ``natoms``.
        records_per_transaction: number of records per commit.

    Returns:
        The number of records.

    Raises:
        UserError: the file exists.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path}: exists; remove it or choose another name")
    natoms: list[int] = []
    # No other process uses the file yet, so that it needs no lock and only one sync, at the end.
    with lmdb.open(str(path), subdir=False, map_size=FIRST_MAP_SIZE, lock=False, sync=False) as env:
        for chunk in _chunks(samples, records_per_transaction):
            first = len(natoms)
            natoms += [int(sample.natoms) for sample in chunk]
            _put(env, {str(i): s for i, s in enumerate(chunk, start=first)})
        _put(env, {"length": len(natoms)})
        env.sync(True)
    np.savez(path.parent / "metadata.npz", natoms=np.asarray(natoms, dtype=np.int64))
    return len(natoms)


def _chunks(samples: Iterable[Data], size: int) -> Iterator[list[Data]]:
    iterator = iter(samples)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _put(env: lmdb.Environment, values: dict[str, Any]) -> None:
    """Write records in one transaction; if the map is full, double its size and restart the transaction."""
    records = {key.encode("ascii"): pickle.dumps(value, protocol=-1) for key, value in values.items()}
    while True:
        try:
            with env.begin(write=True) as transaction:
                for key, value in records.items():
                    transaction.put(key, seal(key, value))
        except lmdb.MapFullError:
            env.set_mapsize(2 * env.info()["map_size"])
        else:
            return
