"""Collate samples into a batch: the same result as PyG's, faster for plain samples."""

from __future__ import annotations

import copy
import functools
import itertools
from typing import Any

import torch
from fairchem.core.datasets import data_list_collater
from torch_geometric.data import Batch, Data

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.sample_form import IDENTITIES
from ocp_dc.fairchem1.graphs.kept_edges import attach_edges

# value of each atom if a structure lacks the key and others in its batch have it
ABSENT = {"fixed": 0, "tags": 0}


def collate(samples: list[Data], otf_graph: bool = False, needs_edges: bool = False, use_pbc: bool = True) -> Batch:
    """Return the batch of ``samples``, equal to fairchem's if all have the same keys.

    Structures without edges that all have the same tensors and numbers are concatenated directly. This takes a third
    of the time of PyG's collater, which matters if a small model is trained on small molecules. Other structures use
    fairchem's collater. Edges that are kept with all structures are kept with their batch.

    Args:
        samples: the structures.
        otf_graph: whether the model computes its edges, as fairchem's ``otf_graph``.
        needs_edges: whether the model fails without edges.
        use_pbc: whether the model has periodic boundaries; see :func:`unify_samples` for records without ``pbc``.

    Raises:
        UserError: the model needs edges, but a sample has none.
    """
    if needs_edges and any(sample.edge_index is None for sample in samples):
        raise UserError(
            "model.otf_graph: got false, with which the model reads its edges from the data, but these have none; set "
            "otf_graph: true, or prepare the data with --edges CUTOFF"
        )
    samples = unify_samples(samples, use_pbc)
    plain = otf_graph and _is_plain(samples[0])  # and so are the others, whose values have the same types
    batch = _concatenate(samples) if plain else data_list_collater(samples, otf_graph=otf_graph)
    attach_edges(batch, samples)
    return batch


def _concatenate(samples: list[Data]) -> Batch:
    """Return the batch of structures that have the same keys, values of the same types, and no indices."""
    batch = copy.copy(_empty_batch())
    batch.stores_as(samples[0])
    mappings = [_values(sample) for sample in samples]
    slices: dict[str, Any] = {}
    increments: dict[str, Any] = {}
    ends: dict[tuple[int, ...], torch.Tensor] = {}  # [B + 1] for each tuple of sizes, which many keys share
    nothing = torch.zeros(len(samples), dtype=torch.long)
    ones = (1,) * len(samples)
    for key, first in mappings[0].items():
        values = [mapping[key] for mapping in mappings]
        sizes, increments[key] = ones, nothing
        if torch.is_tensor(first):
            if first.dim() == 0:
                batch._store[key] = torch.stack(values)  # [B]
            else:
                batch._store[key] = torch.cat(values)  # [sum of rows, ...]
                sizes = tuple(value.size(0) for value in values)
        elif isinstance(first, (int, float)):
            batch._store[key] = torch.tensor(values)
        else:
            batch._store[key], increments[key] = values, None
        if sizes not in ends:
            ends[sizes] = torch.tensor([0, *itertools.accumulate(sizes)])
        slices[key] = ends[sizes]
    nodes = torch.tensor([mapping["pos"].size(0) for mapping in mappings])
    batch.batch = torch.repeat_interleave(nodes)  # [N]
    batch.ptr = torch.cat([nodes.new_zeros(1), nodes.cumsum(0)])
    batch._num_graphs = len(samples)
    batch._slice_dict, batch._inc_dict = slices, increments
    return batch


@functools.cache
def _empty_batch() -> Batch:
    """Return a batch to be copied, which is faster than to build one: PyG builds the class each time."""
    return Batch(_base_cls=Data)


def _values(sample: Data) -> dict[str, Any]:
    """Return the values of a sample by key, without the slow views of PyG."""
    return sample._store._mapping


def unify_samples(samples: list[Data], use_pbc: bool = True) -> list[Data]:
    """Return samples with the same keys and value types; the same list if they already agree.

    PyG's collater takes the keys from the first sample; it drops values that only others have, or fails. A missing
    value gets its default, so that a sample has the same meaning as in a batch alone: no atom is fixed, all tags are
    0, the cell is zero, and without ``pbc`` all cell vectors are periodic for a model with periodic boundaries and
    none for another model. Other values that are missing from some samples are dropped.

    Args:
        samples: the structures.
        use_pbc: whether the model has periodic boundaries.
    """
    types = [{key: _value_type(value) for key, value in _values(sample).items()} for sample in samples]
    if all(sample_types == types[0] for sample_types in types):
        return samples
    filled = [_fill_missing(copy.copy(sample), set().union(*types), use_pbc) for sample in samples]
    for key in IDENTITIES:
        if len({_value_type(sample.get(key)) for sample in filled}) > 1:
            for sample in filled:
                sample[key] = str(sample.get(key))
    for key in set().union(*types):
        if len({_value_type(sample.get(key)) for sample in filled}) > 1:
            for sample in filled:
                sample._store.pop(key, None)
    return filled


def _fill_missing(sample: Data, keys: set[str], use_pbc: bool) -> Data:
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


def _value_type(value: Any) -> Any:
    """Return a key that is equal for values that can be collated into one tensor or list."""
    if isinstance(value, torch.Tensor):
        return (value.layout, value.dim())
    return float if isinstance(value, (int, float)) else type(value)


def _is_plain(sample: Data) -> bool:
    """Return whether all values are dense tensors, numbers or text, and none holds indices of atoms or edges."""
    values = _values(sample)
    if "pos" not in values or any("index" in key or "face" in key or "batch" in key or key == "ptr" for key in values):
        return False
    return all(
        not value.is_sparse if isinstance(value, torch.Tensor) else isinstance(value, (int, float, str))
        for value in values.values()
    )
