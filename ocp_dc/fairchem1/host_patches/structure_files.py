"""Files of structures as data sets of fairchem's LMDB formats, converted once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairchem.core.datasets.lmdb_dataset import LmdbDataset

from ocp_dc.data.dataset_cache import KEYS, as_dataset, read_options


def lmdb_of(block: Mapping[str, Any], path: str = "dataset") -> Path | None:
    """Return the LMDBs with the structures of a data set's block; None if it has no single source.

    Args:
        block: the block: ``src``, and the keys by which files other than LMDBs are read.
        path: its place in the config, for messages.

    Raises:
        UserError: the source holds no valid structures, or several data sets.
    """
    source = block.get("src")
    if isinstance(source, list) and len(source) == 1:
        (source,) = source
    if not isinstance(source, str):
        return None
    options = read_options({key: block[key] for key in KEYS if block.get(key) is not None}, path)
    return as_dataset(source, "oc20", options)


def install() -> None:
    """Make fairchem's LMDB data sets read any file of structures; ``config`` keeps the path of the user."""
    stock: Callable[..., None] = LmdbDataset.__init__
    if hasattr(stock, "__wrapped__"):
        return

    @functools.wraps(stock)
    def init(self: Any, config: dict[str, Any]) -> None:
        found = lmdb_of(config)
        stock(self, config if found is None else {**config, "src": str(found)})
        self.config = config

    LmdbDataset.__init__ = init
