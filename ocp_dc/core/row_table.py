"""CSV tables that a training appends to: each row carries a checksum, and links are not followed.

The checksum is the last column, a whole number, so that the file stays a plain table of numbers. It covers the names
and the values of the row's cells that are not empty, in any order: columns that come later do not change it.
"""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.core.write_errors import write_errors

CHECK = "crc32"  # the column
# Windows has neither of the two optional flags
APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|[+-]?inf", re.ASCII)  # as Python writes floats


def checked(row: Mapping[str, object]) -> dict[str, str]:
    """Return the cells of a row as text, with their checksum as the last one."""
    cells = {name: repr(float(value)) if isinstance(value, float) else str(value) for name, value in row.items()}
    return {**cells, CHECK: _checksum(cells)}


def append(path: Path, header: Sequence[str], row: Mapping[str, str]) -> None:
    """Append a row to a table; cells that it lacks are empty.

    Raises:
        UserError: a link is in the place of the file, or it cannot be written.
    """
    text = io.StringIO()
    csv.DictWriter(text, fieldnames=header, lineterminator="\n").writerow(row)
    _make_own(path)
    with write_errors(path):
        handle = os.open(path, APPENDING, 0o666)
        with os.fdopen(handle, "a", newline="", encoding="utf-8") as file:
            file.write(text.getvalue())


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a whole table in the place of what is there."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def read(path: Path, what: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows, strictly; a last row that is still being written is left out.

    Args:
        path: the table; without the column of checksums, as earlier versions wrote it, its numbers are read as they
            are.
        what: the table, for the messages.

    Returns:
        The columns without the checksums, and the cells of each row: numbers as text, or nothing.

    Raises:
        UserError: it is no text, a name stands twice in its header, a row has another number of cells or one that is
            no number, or a row does not fit its checksum.
    """
    if not path.is_file():
        raise UserError(f"{path}: got no such file, expected {what}")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        header, *rows = list(csv.reader(lines[:-1])) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path}: got a file that is no text ({error}), expected {what}, a CSV file in UTF-8"
        ) from error
    for number, row in enumerate(rows, start=2):
        if problem := _problem(header, row):
            raise UserError(f"{path}: line {number}: got {','.join(row)!r}, {problem}")
    if len(set(header)) < len(header):
        raise UserError(f"{path}: a column is repeated in the header {','.join(header)!r}; expected {what}")
    kept = [i for i, name in enumerate(header) if name != CHECK]
    return [header[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _problem(header: Sequence[str], row: Sequence[str]) -> str | None:
    if len(row) != len(header) or not all(NUMBER.fullmatch(cell) or not cell for cell in row):
        return f"expected a number in each column, {len(header)} of them, or nothing"
    cells = dict(zip(header, row, strict=True))
    noted = cells.pop(CHECK, "")
    if noted and noted != _checksum(cells):
        return f"which does not fit its {CHECK}: damaged or edited; where that was on purpose, remove that column"
    return None


def _checksum(cells: Mapping[str, str]) -> str:
    text = "\n".join(sorted(f"{name}={value}" for name, value in cells.items() if value))
    return str(zlib.crc32(text.encode()))


def _make_own(path: Path) -> None:
    """Put a copy in the place of a link, symbolic or hard: what else it leads to is another's and stays as it is."""
    with write_errors(path):
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return
        if stat.S_ISLNK(found.st_mode) and not path.exists():
            path.unlink()
        elif path.is_file():
            with replacing(path) as new:
                new.write_bytes(path.read_bytes())
