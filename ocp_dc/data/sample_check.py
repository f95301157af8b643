"""Refusing samples of data sets that cannot be meant, where they are read: for training, validation or prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from ocp_dc.data.lmdb_check import REQUIRED_KEYS
from ocp_dc.data.structure_check import check_labels, check_structure
from ocp_dc.errors import UserError

# OC20 and OC22 name their labels y and force; a key mapping, which transforms come before, names them anew
ENERGY_KEYS = ("energy", "y")
RELAXATION_KEYS = ("y_relaxed", "y_init")  # of IS2RE
FORCES_KEYS = ("forces", "force")
ATOM_KEYS = ("fixed", "tags")
OF_ONE_CELL = {"cell": 9, "pbc": 3}  # numbers


def check_sample(data: object, where: str) -> Data:
    """Return a sample that was read from a data set, or refuse it.

    Args:
        data: the sample; labels may be absent or None.
        where: what messages call it: its file and its record.

    Raises:
        UserError: it is no sample, lacks positions, atomic numbers or natoms, its arrays do not fit each other, it is a
            structure that :func:`~ocp_dc.data.structure_check.check_structure` refuses, or has labels that
            :func:`~ocp_dc.data.structure_check.check_labels` refuses.
    """
    if not isinstance(data, Data):
        raise UserError(f"{where}: a {type(data).__name__}; expected a torch_geometric Data")
    values = data.to_dict()
    missing = [key for key in REQUIRED_KEYS if values.get(key) is None]
    if missing:
        raise UserError(f"{where}: lacks {', '.join(missing)}; got {', '.join(values)}")
    numbers = _array(values, "atomic_numbers", where).reshape(-1)
    count = len(numbers)
    for key in ("natoms", "num_nodes"):
        stated = values.get(key)
        if stated is not None and not np.array_equal(_array(values, key, where).reshape(-1), [count]):
            raise UserError(f"{where}: {key} is not {count}, the number of its atomic numbers; mend the file")
    periodicity = {key: None if values.get(key) is None else _array(values, key, where) for key in OF_ONE_CELL}
    for key, array in periodicity.items():
        if array is not None and array.size != OF_ONE_CELL[key]:
            raise UserError(f"{where}: {key} has shape {array.shape}, expected {OF_ONE_CELL[key]} numbers")
    check_structure(numbers, _array(values, "pos", where), periodicity["cell"], periodicity["pbc"], where)
    _check_atoms_and_edges(values, count, where)
    for key in ENERGY_KEYS + RELAXATION_KEYS:
        if values.get(key) is not None:
            check_labels(_array(values, key, where), None, where)
    for key in FORCES_KEYS:
        if values.get(key) is not None:
            forces = _array(values, key, where)
            if forces.shape != (count, 3):
                raise UserError(f"{where}: {key} has shape {forces.shape}, expected ({count}, 3)")
            check_labels(None, forces, where)
    return data


def _check_atoms_and_edges(values: dict[str, Any], count: int, where: str) -> None:
    for key in ATOM_KEYS:
        if values.get(key) is not None and len(array := _array(values, key, where).reshape(-1)) != count:
            raise UserError(f"{where}: {key} has {len(array)} entries, expected {count}, one for each atom")
    if values.get("edge_index") is not None:
        edges = _array(values, "edge_index", where)
        if edges.ndim != 2 or len(edges) != 2 or (edges.size and not 0 <= edges.min() <= edges.max() < count):
            raise UserError(f"{where}: edge_index of shape {edges.shape} names atoms that it does not have ({count})")


def _array(values: dict[str, Any], key: str, where: str) -> NDArray:
    """Return a value as an array of numbers, without copying a tensor."""
    value = values[key]
    array = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise UserError(f"{where}: {key} holds {type(value).__name__} {value!r:.50}; expected numbers")
    return array
