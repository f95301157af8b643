"""A checksum behind each record of an LMDB: LMDB itself has none.

It stands behind the end of the record's pickle, where whoever unpickles it does not look.
"""

from __future__ import annotations

import zlib

from ocp_dc.core.errors import UserError

MARK = b"crc-32: "  # then the checksum in 4 bytes, big-endian


def seal(key: bytes, record: bytes) -> bytes:
    """Return a record with the checksum of its key and its bytes behind it."""
    return record + MARK + _checksum(key, record)


def check_seal(key: bytes, stored: bytes, where: str) -> None:
    """Check a record against the checksum behind it, if there is one.

    Args:
        key: its key.
        stored: what stands under the key.
        where: its file and number, for messages.

    Raises:
        UserError: it does not fit.
    """
    end = len(stored) - len(MARK) - 4
    if end >= 0 and stored[end:-4] == MARK and stored[-4:] != _checksum(key, stored[:end]):
        raise UserError(
            f"{where}: does not fit its checksum: the file was damaged; copy it again or make it again. Whoever "
            "changes records writes them without what stands behind their pickles"
        )


def _checksum(key: bytes, record: bytes) -> bytes:
    return zlib.crc32(record, zlib.crc32(key)).to_bytes(4, "big")
