"""LMDBs as OC20 and OC22 publish them, made of the bundled slabs: shards, old pickles, stored edges."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb
import torch
from torch_geometric.data import Data

from ocp_dc.data.edges import add_edges
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.sample import slab_sample_path

MISSING_IN_PYG_1 = ("x", "edge_attr", "norm", "face")  # attributes of every Data of PyG 1.x, None where unused


def slabs(count: int, edges: bool = False) -> list[Data]:
    """The first slabs with OC20's names and types: float numbers, ``sid`` and ``fid`` as tensors."""
    source = AseSource(slab_sample_path())
    made = []
    for index in range(count):
        data = to_data(source[index], sid=index)
        if edges:
            add_edges(data, 6.0, 50)
        del data.pbc
        data.atomic_numbers = data.atomic_numbers.float()
        data.fixed = data.fixed.float()
        data.tags = data.tags.long()
        data.sid, data.fid = torch.LongTensor([data.sid]), torch.LongTensor([data.fid])
        made.append(data)
    source.close()
    return made


def relaxations(count: int) -> list[Data]:
    """IS2RE: energies of the initial and the relaxed structure, and the relaxed positions; no ``y`` and no ``fid``."""
    made = []
    for data in slabs(count, edges=True):
        data.y_init, data.y_relaxed, data.pos_relaxed = data.y, data.y - 0.5, data.pos + 0.01
        data.sid = int(data.sid)
        del data.y, data.fid
        made.append(data)
    return made


def of_oc22(samples: Sequence[Data]) -> list[Data]:
    """OC22: total energies, and the marks that tell its records from OC20's."""
    for data in samples:
        data.oc22, data.nads = 1, 1
        data.sid, data.fid = int(data.sid), int(data.fid)
    return list(samples)


def pickled(data: Data, pyg: int = 1) -> bytes:
    """A record as PyG 1.x pickled it, its values being plain attributes, or as PyG 2.x does."""
    if pyg == 2:
        return pickle.dumps(data, protocol=-1)
    old = Data.__new__(Data)
    old.__dict__.update(dict.fromkeys(MISSING_IN_PYG_1) | data.to_dict() | {"__num_nodes__": None})
    return pickle.dumps(old, protocol=4)


def write_shards(folder: Path, samples: Sequence[Data], shards: int = 3, pyg: int = 1, length: bool = False) -> Path:
    """Write data.0000.lmdb and so on, of nearly equal size, without metadata.npz."""
    folder.mkdir(parents=True)
    size = -(-len(samples) // shards)
    for number in range(shards):
        part = samples[number * size : (number + 1) * size]
        records: dict[str, Any] = {str(index): pickled(data, pyg) for index, data in enumerate(part)}
        if length:
            records["length"] = pickle.dumps(len(part), protocol=-1)
        path = folder / f"data.{number:04d}.lmdb"
        with lmdb.open(str(path), subdir=False, map_size=1 << 24) as env, env.begin(write=True) as transaction:
            for key, value in records.items():
                transaction.put(key.encode("ascii"), value)
    return folder
