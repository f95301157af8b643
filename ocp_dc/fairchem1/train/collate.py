"""Collating samples into a batch: PyG's result, without its general machinery where samples are plain."""

from __future__ import annotations

import copy
from typing import Any

import torch
from fairchem.core.datasets import data_list_collater
from torch_geometric.data import Batch, Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.sample_form import IDENTITIES

# what a structure has that does not say so, where others in its batch do
ABSENT = {"fixed": 0, "tags": 0}  # for each atom


def collate(samples: list[Data], otf_graph: bool = False, needs_edges: bool = False, use_pbc: bool = True) -> Batch:
    """Return the batch of ``samples``, equal to fairchem's where they hold values of the same names.

    Structures without edges, with the same tensors and numbers each, are put together directly: a third of the time
    that PyG's collater takes, which matters where a small model trains on small molecules. Anything else goes to
    fairchem's collater.

    Args:
        samples: the structures.
        otf_graph: whether the model computes its edges, as fairchem's ``otf_graph``.
        needs_edges: whether the model stops without edges.
        use_pbc: whether the model has periodic boundaries: what a record without ``pbc`` then is, see :func:`alike`.

    Raises:
        UserError: the model needs edges, and there are none.
    """
    if needs_edges and any(sample.edge_index is None for sample in samples):
        raise UserError(
            "model.otf_graph: false, so that the model reads its edges from the data, and these have none; set "
            "otf_graph: true, or prepare the data with --edges CUTOFF"
        )
    samples = alike(samples, use_pbc)
    if not otf_graph or not _is_plain(samples):
        return data_list_collater(samples, otf_graph=otf_graph)
    batch = Batch(_base_cls=Data)
    batch.stores_as(samples[0])
    stores = [sample._store for sample in samples]
    slices: dict[str, Any] = {}
    increments: dict[str, Any] = {}
    nothing = torch.zeros(len(samples), dtype=torch.long)
    for key, first in stores[0].items():
        values = [store[key] for store in stores]
        if torch.is_tensor(first):
            if first.dim() == 0:
                values = [value.unsqueeze(0) for value in values]
            batch._store[key] = torch.cat(values)  # (sum of rows, ...)
            sizes = torch.tensor([0, *(len(value) for value in values)])
            slices[key], increments[key] = sizes.cumsum(0), nothing
        else:
            numeric = isinstance(first, (int, float))
            batch._store[key] = torch.tensor(values) if numeric else values
            slices[key] = torch.arange(len(samples) + 1)
            increments[key] = nothing if numeric else None
    nodes = torch.tensor([len(store["pos"]) for store in stores])
    batch.batch = torch.repeat_interleave(torch.arange(len(samples)), nodes)  # (atoms,)
    batch.ptr = torch.cat([nodes.new_zeros(1), nodes.cumsum(0)])
    batch._num_graphs = len(samples)
    batch._slice_dict, batch._inc_dict = slices, increments
    return batch


def alike(samples: list[Data], use_pbc: bool = True) -> list[Data]:
    """Return samples that hold values of the same names and kinds; the same list where they do already.

    PyG's collater takes the names of the first, and leaves out what only others have, or stops. A value that is
    missing from some is what it is to a sample alone: no atom is fixed, all tags are 0, the cell is none, and without
    ``pbc`` all cell vectors are periodic for a model with boundaries, and none for another. Any other is left out.

    Args:
        samples: the structures.
        use_pbc: whether the model has periodic boundaries.
    """
    kinds = [{key: _kind(value) for key, value in sample._store.items()} for sample in samples]
    if all(kind == kinds[0] for kind in kinds):
        return samples
    filled = [_filled(copy.copy(sample), set().union(*kinds), use_pbc) for sample in samples]
    for key in IDENTITIES:
        if len({_kind(sample.get(key)) for sample in filled}) > 1:
            for sample in filled:
                sample[key] = str(sample.get(key))
    for key in set().union(*kinds):
        if len({_kind(sample.get(key)) for sample in filled}) > 1:
            for sample in filled:
                sample._store.pop(key, None)
    return filled


def _filled(sample: Data, keys: set[str], use_pbc: bool) -> Data:
    atoms = len(sample.pos)
    for key, value in ABSENT.items():
        if key in keys and key not in sample:
            sample[key] = torch.full((atoms,), value, dtype=torch.int)
    if "pbc" in keys and "pbc" not in sample:
        cell = sample.cell if use_pbc and "cell" in sample else torch.zeros(1, 3, 3)
        sample.pbc = cell.any(dim=-1)
    if "cell" in keys and "cell" not in sample:
        sample.cell = sample.pos.new_zeros(1, 3, 3)
    if "fid" in keys and "fid" not in sample:
        sample.fid = 0
    return sample


def _kind(value: Any) -> Any:
    """Return what values of one name must share to be put into one tensor or list."""
    if isinstance(value, torch.Tensor):
        return value.dim()
    return float if isinstance(value, (int, float)) else type(value)


def _is_plain(samples: list[Data]) -> bool:
    """Whether every value is a dense tensor, a number or a text, and none counts atoms or edges."""
    keys = list(samples[0]._store.keys())
    if "pos" not in keys or any("index" in key or "face" in key or "batch" in key or key == "ptr" for key in keys):
        return False
    return all(
        list(sample._store.keys()) == keys and all(_is_plain_value(value) for value in sample._store.values())
        for sample in samples
    )


def _is_plain_value(value: Any) -> bool:
    return not value.is_sparse if isinstance(value, torch.Tensor) else isinstance(value, (int, float, str))
