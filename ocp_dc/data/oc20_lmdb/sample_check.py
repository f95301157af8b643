"""Check of each sample when it is read from a data set, for training, validation or prediction."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_check import REQUIRED_KEYS
from ocp_dc.data.oc20_lmdb.sample_form import (
    ENERGY_KEYS,
    FORCES_KEYS,
    RELAXATION_KEYS,
    STRESS_KEY,
    as_array,
    standardize,
)
from ocp_dc.data.structure_check import check_labels, check_stress, check_structure

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = ["ENERGY_KEYS", "FORCES_KEYS", "RELAXATION_KEYS", "STRESS_KEY", "check_sample", "check_values"]

CHECKED_KEYS = (
    "pos",
    "atomic_numbers",
    "fixed",
    "tags",
    "cell",
    "pbc",
    *ENERGY_KEYS,
    *RELAXATION_KEYS,
    *FORCES_KEYS,
    STRESS_KEY,
)


def check_sample(data: object, where: str) -> Data:
    """Check a sample that was read from a data set, and return it with its values in the standard form.

    Args:
        data: the sample; labels may be missing or None.
        where: the location of the sample for messages: its file and its record.

    Raises:
        UserError: it is not a Data object, lacks positions, atomic numbers or natoms, has arrays whose lengths do not
            match, or does not pass :func:`~ocp_dc.data.structure_check.check_structure` or
            :func:`~ocp_dc.data.structure_check.check_labels`.
    """
    from torch_geometric.data import Data  # not installed with fairchem 2

    if not isinstance(data, Data):
        raise UserError(f"{where}: a {type(data).__name__}; expected a torch_geometric Data")
    check_values(data._store, where)
    return data


def check_values(values: MutableMapping[str, Any], where: str) -> None:
    """Check the values of a sample, by name, and convert them to the standard form in place.

    Raises:
        UserError: as :func:`check_sample` does.
    """
    missing = [key for key in REQUIRED_KEYS if values.get(key) is None]
    if missing:
        raise UserError(f"{where}: lacks {', '.join(missing)}; got {', '.join(values)}")
    standardize(values, where)
    arrays = {key: as_array(values[key], key, where) for key in CHECKED_KEYS if key in values}
    count = len(arrays["atomic_numbers"])
    for key in ("natoms", "num_nodes"):
        stated = values.get(key)
        if stated is not None and not np.array_equal(as_array(stated, key, where).reshape(-1), [count]):
            raise UserError(f"{where}: {key} is not {count}, the number of its atomic numbers; mend the file")
    check_structure(arrays["atomic_numbers"], arrays["pos"], arrays.get("cell"), arrays.get("pbc"), where)
    for key in ("fixed", "tags"):
        if key in arrays and len(arrays[key]) != count:
            raise UserError(f"{where}: {key} has {len(arrays[key])} entries, expected {count}, one for each atom")
    _check_edges(values, count, where)
    for key in ENERGY_KEYS + RELAXATION_KEYS:
        if key in arrays:
            check_labels(float(arrays[key]), None, where if key in ENERGY_KEYS else f"{where}: {key}")
    for key in FORCES_KEYS:
        if key in arrays:
            if arrays[key].shape != (count, 3):
                raise UserError(f"{where}: {key} has shape {arrays[key].shape}, expected ({count}, 3)")
            check_labels(None, arrays[key], where)
    check_stress(arrays.get(STRESS_KEY), where)


def _check_edges(values: MutableMapping[str, Any], count: int, where: str) -> None:
    if values.get("edge_index") is None:
        return
    edges = as_array(values["edge_index"], "edge_index", where)
    if edges.ndim != 2 or len(edges) != 2 or (edges.size and not 0 <= edges.min() <= edges.max() < count):
        raise UserError(f"{where}: edge_index of shape {edges.shape} names atoms that it does not have ({count})")
