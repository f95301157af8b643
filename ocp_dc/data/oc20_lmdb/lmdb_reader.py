"""Reader of an LMDB file that is safe across forks, and whose records know their file and number."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lmdb

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.record_checksum import check_seal

_inherited: list[lmdb.Environment] = []


def keep_inherited(environment: lmdb.Environment | None) -> None:
    """Keep a reference to an environment that the parent process opened, as the child must not free it either."""
    if environment is not None:
        _inherited.append(environment)


class Record(bytes):
    """The bytes of a record, copied out of the memory map.

    Attributes:
        where: the file and number of the record, for messages.
        number: the number of the record among all records of the data set.
    """

    where: str
    number: int


class LmdbReader:
    """A read-only LMDB file, opened at the first use in each process.

    An environment must not be used after a fork: lmdb 1.7 and 1.8 then read freed memory, and return wrong records or
    overwrite buffers of the process. A reader therefore compares the current process with the one that opened its
    environment, and opens a new environment if they differ. It is pickled as its path, for spawned processes.

    It has those methods of ``lmdb.Environment`` and ``lmdb.Transaction`` that fairchem's data sets call.

    Args:
        path: the file.
        first: the number of its record 0 among all records of a data set of several files.
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
            UserError: the file is missing or not an LMDB.
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
        """Return the reader itself, which opens a transaction for each key."""
        return self

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes stored under a key, or None.

        Raises:
            UserError: a record (its key is a number) is missing, cannot be read, or does not match its checksum, if it
                has one.
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
        """Return the result of ``lmdb.Environment.stat``."""
        return self.environment.stat()

    def close(self) -> None:
        """Close the environment if this process opened it; the next access opens it again."""
        if self._environment is not None and self._process == os.getpid():
            self._environment.close()
            self._environment = None
