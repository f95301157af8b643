"""The dataset format ``lmdb_in_memory``: an LMDB that is read once and kept."""

from __future__ import annotations

import copy
from typing import Any

from fairchem.core.common.registry import registry
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from fairchem.core.modules.transforms import DataTransforms
from torch_geometric.data import Data

from ocp_dc.fairchem1.host_patches.key_mapping import rename_keys


@registry.register_dataset("lmdb_in_memory")
class LmdbInMemoryDataset(LmdbDataset):
    """fairchem's LMDB dataset with its samples kept in memory, for sets that fit.

    Each sample is unpickled once, at its first use, and transformed once: transforms must be deterministic. The same
    object is returned each time, so that callers must not change it.
    """

    transforms: DataTransforms
    key_mapping: dict[str, str] | None

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._stored: dict[int, Data] = {}
        self._ready: dict[int, Data] = {}
        self._applied: DataTransforms | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the samples: a spawned worker reads its own, and a shared tensor takes a file descriptor each."""
        return {**self.__dict__, "_stored": {}, "_ready": {}}

    def __getitem__(self, index: int) -> Data:
        """Return a sample after transforms and key mapping."""
        if self._applied is not self.transforms:  # the trainer has fitted the label rescaling since
            self._ready.clear()
            self._applied = self.transforms
        index = int(index)
        if index not in self._ready:
            data = self.transforms(copy.copy(self._raw(index)))
            if self.key_mapping is not None:
                data = rename_keys(data, self.key_mapping)
            self._ready[index] = data
        return self._ready[index]

    def _raw(self, index: int) -> Data:
        if index not in self._stored:
            transforms, mapping = self.transforms, self.key_mapping
            self.transforms, self.key_mapping = DataTransforms({}), None
            try:
                self._stored[index] = super().__getitem__(index)
            finally:
                self.transforms, self.key_mapping = transforms, mapping
        return self._stored[index]
