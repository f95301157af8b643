"""Reading the records of an LMDB file in whatever process asks, and saying which record it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lmdb

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.record_checksum import check_seal

_inherited: list[lmdb.Environment] = []


def keep_inherited(environment: lmdb.Environment | None) -> None:
    """Keep an environment that the parent process opened: freeing it in the child is a use after the fork, too."""
    if environment is not None:
        _inherited.append(environment)


class Record(bytes):
    """The bytes of a record, copied out of the memory map.

    Attributes:
        where: its file and number, for messages.
        number: its number among all records of the data set.
    """

    where: str
    number: int


class LmdbReader:
    """A read-only LMDB file, opened at the first use in each process.

    An environment must not be used after a fork: lmdb 1.7 and 1.8 then read memory that was freed, and return other
    records or overwrite buffers of the process. So a reader notices that it is in another process than the one that
    opened its environment, and opens its own. It is pickled as its path, for processes that are spawned.

    It has the methods of ``lmdb.Environment`` and ``lmdb.Transaction`` that fairchem's data sets call.

    Args:
        path: the file.
        first: the number that its record 0 has among the records of a data set of several files.
    """

    def __init__(self, path: Path | str, first: int = 0) -> None:
        self.path = Path(path)
        self.first = first
        self._environment: lmdb.Environment | None = None
        self._process: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.first)

    @property
    def environment(self) -> lmdb.Environment:
        """The environment of this process.

        Raises:
            UserError: the file is missing or no LMDB.
        """
        if self._environment is not None and self._process != os.getpid():
            keep_inherited(self._environment)
            self._environment = None
        if self._environment is None:
            self._process = os.getpid()
            try:
                self._environment = lmdb.open(
                    str(self.path),
                    subdir=False,
                    readonly=True,
                    lock=False,
                    readahead=True,
                    meminit=False,
                    max_readers=1,
                )
            except lmdb.Error as error:
                raise UserError(f"{self.path}: cannot be opened as an LMDB ({error})") from error
        return self._environment

    def begin(self) -> LmdbReader:
        """Return what reads keys: the reader itself, with a transaction for each."""
        return self

    def get(self, key: bytes) -> bytes | None:
        """Return what is stored under a key, or None.

        Raises:
            UserError: a record, whose key is its number, is missing, cannot be read, or does not fit its checksum where
                the file has one.
        """
        where = f"{self.path}: record {key.decode('ascii', 'replace')}"
        try:
            with self.environment.begin() as transaction:
                stored = transaction.get(key)
        except lmdb.Error as error:
            raise UserError(f"{where}: damaged ({error}); copy the file again or make it again") from error
        if stored is None and key.isdigit():
            raise UserError(f"{where}: missing; expected the keys '0', '1', ... in order")
        if stored is not None:
            check_seal(key, stored, where)
        if stored is None or not key.isdigit():
            return stored
        record = Record(stored)
        record.where, record.number = where, self.first + int(key)
        return record

    def stat(self) -> dict[str, int]:
        """Return what ``lmdb.Environment.stat`` does."""
        return self.environment.stat()

    def close(self) -> None:
        """Close the environment if this process opened it; it is opened again when it is needed."""
        if self._environment is not None and self._process == os.getpid():
            self._environment.close()
            self._environment = None
