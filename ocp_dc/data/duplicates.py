"""Finding structures that are there twice, within a split and across splits."""

from __future__ import annotations

import hashlib
from array import array

import numpy as np
from numpy.typing import NDArray

from ocp_dc.data.frames import Frame


class Duplicates:
    """Remembers 16 bytes of each structure: a digest of its geometry, and its number in the source."""

    def __init__(self) -> None:
        self._digests: dict[str, array[int]] = {}
        self._indices: dict[str, array[int]] = {}

    def add(self, split: str, index: int, frame: Frame) -> None:
        """Take in a structure; two are the same where elements, positions and periodic cell are, to the last digit."""
        digest = hashlib.blake2b(frame.numbers.tobytes(), digest_size=8)
        digest.update((frame.positions + 0.0).tobytes())  # -0 becomes 0
        if frame.pbc.any():
            digest.update(frame.pbc.tobytes())
            digest.update((frame.cell + 0.0).tobytes())
        self._digests.setdefault(split, array("Q")).append(int.from_bytes(digest.digest(), "little"))
        self._indices.setdefault(split, array("q")).append(index)

    def within(self, split: str) -> list[int]:
        """Return the numbers of the structures of a split that stand before in it."""
        digests = self._of(split)
        repeated = np.ones(len(digests), dtype=bool)
        repeated[np.unique(digests, return_index=True)[1]] = False
        return self._numbers(split, repeated)

    def also_in(self, split: str, other: str) -> list[int]:
        """Return the numbers of the structures of ``split`` that are in ``other`` as well."""
        return self._numbers(split, np.isin(self._of(split), self._of(other)))

    def _of(self, split: str) -> NDArray[np.uint64]:
        return np.array(self._digests.get(split, array("Q")), dtype=np.uint64)

    def _numbers(self, split: str, chosen: NDArray[np.bool_]) -> list[int]:
        return np.array(self._indices.get(split, array("q")), dtype=np.int64)[chosen].tolist()
