"""Check of an LMDB before a training run: a clear error at the start instead of a crash hours later."""

from __future__ import annotations

import logging
from pathlib import Path

import lmdb

from ocp_dc.core.errors import UserError
from ocp_dc.data.lmdb_file import data_files, open_lmdb
from ocp_dc.data.oc20_lmdb.record_checksum import check_seal
from ocp_dc.data.oc20_lmdb.safe_pickle import loads, loads_plain

# Read by every model and collater. Labels may be missing, as predictions do not need them.
REQUIRED_KEYS = ("pos", "atomic_numbers", "natoms")


def check_lmdb(path: Path | str) -> int:
    """Check a data set in the layout of OC20, and return its number of records.

    Args:
        path: one LMDB file, or a folder of ``*.lmdb`` files.

    Raises:
        UserError: a file is missing, empty, cut short or not an LMDB, or its first or last record cannot be read or
            lacks one of ``REQUIRED_KEYS``. The message names the file.
        UnsafeDataError: a record names an object that could run code.
    """
    return sum(_check_file(file) for file in data_files(path, ".lmdb"))


def _check_file(path: Path) -> int:
    with open_lmdb(path) as env:
        try:
            with env.begin() as transaction:
                return _check_records(transaction, env.stat()["entries"], path)
        except lmdb.Error as error:
            raise UserError(f"{path}: damaged ({error}); copy it again or make it again") from error


def _check_records(transaction: lmdb.Transaction, entries: int, path: Path) -> int:
    stored = transaction.get(b"length")
    if stored is not None:
        check_seal(b"length", stored, f"{path}: key 'length'")
    records = entries - (stored is not None)
    length = records if stored is None else loads_plain(stored, f"{path}: key 'length'")
    if type(length) is not int or not 0 <= length <= records:
        raise UserError(f"{path}: 'length' is {length!r}, but the file has {records} record(s); make it again")
    if length < records:
        logging.warning(f"{path}: 'length' is {length}: the first {length} of {records} records are read")
    if length == 0:
        raise UserError(f"{path}: holds no records; expected at least one")
    for index in {0, length - 1}:
        key = str(index).encode("ascii")
        _check_record(key, transaction.get(key), f"{path}: record {index}")
    return length


def _check_record(key: bytes, stored: bytes | None, where: str) -> None:
    if stored is None:
        raise UserError(f"{where}: missing; expected the keys '0', '1', ... in order")
    check_seal(key, stored, where)
    record = loads(stored, where, dict)
    keys = record.keys() if hasattr(record, "keys") else None
    if keys is None:
        raise UserError(f"{where}: a {type(record).__name__}; expected a torch_geometric Data")
    missing = [key for key in REQUIRED_KEYS if key not in keys]
    if missing:
        raise UserError(f"{where}: lacks {', '.join(missing)}; got {', '.join(keys)}")
