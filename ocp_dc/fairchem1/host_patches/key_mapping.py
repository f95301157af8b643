"""Apply the ``key_mapping`` of data sets, which gives labels the names of outputs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from fairchem.core.datasets import _utils
from torch_geometric.data import Data

from ocp_dc.core.errors import UserError

stock = _utils.rename_data_object_keys


def rename_keys(data: Data, key_mapping: Mapping[str, str | list[str]]) -> Data:
    """Rename values of a sample, in place, as fairchem does.

    Raises:
        UserError: the sample already has another value under the new name.
    """
    for key, names in key_mapping.items():
        for name in [names] if isinstance(names, str) else names:
            if name == key or key not in data or name not in data:
                continue
            if not np.array_equal(np.asarray(data[key]), np.asarray(data[name])):
                raise UserError(
                    f"key_mapping: {{{key}: {name}}}: record {data.get('id', data.get('sid'))} already has {name}, "
                    f"and its value differs from {key}; leave {key} out of key_mapping to learn {name}, or remove "
                    f"{name} from the records"
                )
            del data[name]
    return stock(data, key_mapping)


def install() -> None:
    """Put :func:`rename_keys` into fairchem's data sets; a second call changes nothing."""
    for name in ("lmdb_dataset", "oc22_lmdb_dataset", "ase_datasets"):
        module: Any = importlib.import_module(f"fairchem.core.datasets.{name}")
        module.rename_data_object_keys = rename_keys
