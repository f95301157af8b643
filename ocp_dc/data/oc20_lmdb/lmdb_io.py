"""Writing LMDBs as OC20 has them: one pickled PyG Data a key, ``length``, and metadata.npz beside the file.

A checksum stands behind each pickle, which other readers pass over.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import torch
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.boundaries import complete_cell, place
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.record_checksum import seal
from ocp_dc.data.structure_check import check_cell

RECORDS_PER_TRANSACTION = 1000
FIRST_MAP_SIZE = 1 << 24  # bytes; doubled whenever it is full


def to_data(frame: Frame, sid: int) -> Data:
    """Return a structure as OC20's LMDBs hold it.

    Args:
        frame: the structure.
        sid: the number of the system where the frame has none of its own.

    Returns:
        pos (n, 3) float32, within the cell along periodic directions, molecules whole (:func:`boundaries.place`); cell
        (1, 3, 3) float32, where anything is periodic with all vectors; atomic_numbers (n,) int64; natoms int; y float
        (eV, in float64); force (n, 3) float32; fixed and tags (n,) int32; pbc (1, 3) bool; sid and fid int.

    Raises:
        UserError: a periodic direction has no cell vector.
    """
    check_cell(frame.cell, frame.pbc, f"structure {sid}")
    cell = complete_cell(frame.cell, frame.pbc, frame.positions) if frame.pbc.any() else frame.cell
    positions = place(frame.positions, cell, frame.pbc)
    return Data(
        pos=torch.tensor(positions, dtype=torch.float32),
        # The leading dimension is the one along which PyG batches.
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
    )


def write_lmdb(
    path: Path | str, samples: Iterable[Data], records_per_transaction: int = RECORDS_PER_TRANSACTION
) -> int:
    """Write an LMDB and its metadata.npz, keeping only one transaction's records in memory.

    Args:
        path: the file to make; its folder must exist, and serves this LMDB only (fairchem takes the metadata.npz of
            the folder).
        samples: the records in order; each has ``natoms``.
        records_per_transaction: records committed at a time.

    Returns:
        The number of records.

    Raises:
        UserError: the file exists.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path}: exists; remove it or choose another name")
    natoms: list[int] = []
    # No other process can know of the file yet: it needs no lock, and one sync at the end is enough.
    with lmdb.open(str(path), subdir=False, map_size=FIRST_MAP_SIZE, lock=False, sync=False) as env:
        for samples_of_one in _chunks(samples, records_per_transaction):
            first = len(natoms)
            natoms += [int(sample.natoms) for sample in samples_of_one]
            _put(env, {str(i): s for i, s in enumerate(samples_of_one, start=first)})
        _put(env, {"length": len(natoms)})
        env.sync(True)
    np.savez(path.parent / "metadata.npz", natoms=np.asarray(natoms, dtype=np.int64))
    return len(natoms)


def _chunks(samples: Iterable[Data], size: int) -> Iterator[list[Data]]:
    iterator = iter(samples)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _put(env: lmdb.Environment, values: dict[str, Any]) -> None:
    """Write records in one transaction; where the map is full, double it and start the transaction again."""
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
