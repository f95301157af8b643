"""The dataset format ``lmdb_in_memory``: an LMDB that is read once and then kept in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from fairchem.core.common.registry import registry
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from fairchem.core.modules.transforms import DataTransforms
from torch_geometric.data import Data

from ocp_dc.fairchem1.graphs.kept_edges import EdgeKeeper
from ocp_dc.fairchem1.host_patches.key_mapping import rename_keys
from ocp_dc.graphs.search import EdgeSearch


@registry.register_dataset("lmdb_in_memory")
class LmdbInMemoryDataset(LmdbDataset):
    """fairchem's LMDB dataset with its samples kept in memory, for data sets that fit.

    Each sample is unpickled and transformed once, at its first use, so transforms must be deterministic. The same
    object is returned each time, and callers must not change it. After :meth:`keep_edges` a sample has its edges.
    """

    transforms: DataTransforms
    key_mapping: dict[str, str] | None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._stored: dict[int, Data] = {}
        self._transformed: dict[int, Data] = {}
        self._applied: DataTransforms | None = None
        self._keeper: EdgeKeeper | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without samples, which would need many file handles; spawned workers read the file again."""
        return {**self.__dict__, "_stored": {}, "_transformed": {}, "_keeper": self._new_keeper()}

    def keep_edges(self, search: EdgeSearch | None) -> None:
        """Find the edges of each sample once, at its next use, together with its batch; None to keep no edges."""
        self._transformed.clear()
        self._keeper = None if search is None else EdgeKeeper(search)

    def _new_keeper(self) -> EdgeKeeper | None:
        return None if self._keeper is None else EdgeKeeper(self._keeper.search)

    def __getitem__(self, index: int) -> Data:
        """Return a sample after transforms and key mapping."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Data]:
        """Return samples after transforms and key mapping; a data loader reads a whole batch so."""
        if self._applied is not self.transforms:  # the trainer has since attached the fitted label rescaling
            self._transformed.clear()
            self._keeper = self._new_keeper()
            self._applied = self.transforms
        indices = [int(index) for index in indices]
        fresh = {index: self._transform(index) for index in indices if index not in self._transformed}
        if self._keeper is not None:
            self._keeper.attach(list(fresh.values()))
        self._transformed |= fresh
        return [self._transformed[index] for index in indices]

    def _transform(self, index: int) -> Data:
        data = self.transforms(copy.copy(self._read_raw(index)))
        return data if self.key_mapping is None else rename_keys(data, self.key_mapping)

    def _read_raw(self, index: int) -> Data:
        if index not in self._stored:
            transforms, mapping = self.transforms, self.key_mapping
            self.transforms, self.key_mapping = DataTransforms({}), None
            try:
                self._stored[index] = super().__getitem__(index)
            finally:
                self.transforms, self.key_mapping = transforms, mapping
        return self._stored[index]


def keep_edges(dataset: Any, model: Any) -> None:
    """Keep the edges of a data set in memory for a model; nothing happens for other data sets and models.

    Args:
        dataset: a fairchem data set or a subset of one.
        model: the model; native models that find their edges have an ``edge_search``.
    """
    base = getattr(dataset, "dataset", dataset)
    if isinstance(base, LmdbInMemoryDataset):
        base.keep_edges(model.edge_search if getattr(model, "uses_native", False) else None)
