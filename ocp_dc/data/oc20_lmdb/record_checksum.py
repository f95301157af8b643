"""A checksum for each record of an LMDB, as LMDB itself has none.

The checksum follows the end of the pickle, where unpicklers do not read it.
"""

from __future__ import annotations

import zlib

from ocp_dc.core.errors import UserError

MARK = b"crc-32: "  # then the checksum in 4 bytes, big-endian


def seal(key: bytes, record: bytes) -> bytes:
    """Return a record followed by a checksum of its key and its bytes."""
    return record + MARK + _checksum(key, record)


def check_seal(key: bytes, stored: bytes, where: str) -> None:
    """Check a record against the checksum that follows it, if there is one.

    Args:
        key: the key of the record.
        stored: the bytes stored under the key.
        where: the file and number of the record, for messages.

    Raises:
        UserError: the record does not match its checksum.
    """
    end = len(stored) - len(MARK) - 4
    if end >= 0 and stored[end:-4] == MARK and stored[-4:] != _checksum(key, stored[:end]):
        raise UserError(
            f"{where}: does not match its checksum: the file was damaged; copy it again or make it again. A program "
            "that changes records must write them without the bytes that follow their pickles"
        )


def _checksum(key: bytes, record: bytes) -> bytes:
    return zlib.crc32(record, zlib.crc32(key)).to_bytes(4, "big")
