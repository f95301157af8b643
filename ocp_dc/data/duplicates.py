"""Search for duplicate structures within a split and across splits."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
from numpy.typing import NDArray

from ocp_dc.data.frames import Frame


class Duplicates:
    """Finds duplicates; stores 16 bytes per structure: a digest of its geometry, and its index in the source."""

    def __init__(self) -> None:
        self._digests: dict[str, array[int]] = {}
        self._indices: dict[str, array[int]] = {}

    def add(self, split: str, index: int, frame: Frame) -> None:
        """Add a structure; duplicates have exactly the same elements, positions and periodic cell."""
        digest = hashlib.blake2b(frame.numbers.tobytes(), digest_size=8)
        digest.update((frame.positions + 0.0).tobytes())  # -0 becomes 0
        if frame.pbc.any():
            digest.update(frame.pbc.tobytes())
            digest.update((frame.cell + 0.0).tobytes())
        self._digests.setdefault(split, array("Q")).append(int.from_bytes(digest.digest(), "little"))
        self._indices.setdefault(split, array("q")).append(index)

    def repeated(self, split: str) -> list[int]:
        """Return the indices of the structures that appear earlier in the same split, too."""
        digests = self._digests_of(split)
        repeated = np.ones(len(digests), dtype=bool)
        repeated[np.unique(digests, return_index=True)[1]] = False
        return self._selected(split, repeated)

    def shared(self, split: str, other: str) -> list[int]:
        """Return the indices of the structures of ``split`` that are also in ``other``."""
        return self._selected(split, np.isin(self._digests_of(split), self._digests_of(other)))

    def _digests_of(self, split: str) -> NDArray[np.uint64]:
        return np.array(self._digests.get(split, array("Q")), dtype=np.uint64)

    def _selected(self, split: str, chosen: NDArray[np.bool_]) -> list[int]:
        return np.array(self._indices.get(split, array("q")), dtype=np.int64)[chosen].tolist()
