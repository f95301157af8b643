"""CSV tables of numbers that a training run appends to, and that are cut at the step from which it resumes.

The first column is the step. Each row has a checksum in the last column, a whole number, so that the file stays a plain
table of numbers. It covers the names and values of the cells that are not empty, in any order: further columns do not
change it. Links are not followed.
"""

from __future__ import annotations

import csv
import io
import logging
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


def add_row(path: Path, row: Mapping[str, object]) -> None:
    """Append a row with its checksum; create the table if there is none.

    A column that the table lacks is added, and empty in the other rows; a column that the row lacks is empty in it.
    Damaged rows of an earlier run are dropped if the table has to be written again.

    Raises:
        UserError: the file cannot be written.
    """
    cells = with_checksum(row)
    append(path, _header_with(path, list(cells)), cells)


def cut_after(path: Path, last: float, column: str | None = None) -> None:
    """Drop the rows after a step, since a resumed run writes them again, and damaged rows, with a warning.

    Args:
        path: the table, which need not exist.
        last: the last step to keep, or the last value of another column.
        column: another column that increases; the steps where the table does not have it.
    """
    if path.is_file():
        header, rows = _whole_rows(path)
        place = header.index(column) if column in header else 0
        # a cell that is no number is kept, so that read reports it
        write(path, header, (row for row in rows if not NUMBER.fullmatch(row[place]) or float(row[place]) <= last))


def with_checksum(row: Mapping[str, object]) -> dict[str, str]:
    """Return the cells of a row as text, with their checksum as the last one."""
    cells = {name: repr(float(value)) if isinstance(value, float) else str(value) for name, value in row.items()}
    return {**cells, CHECK: _checksum(cells)}


def append(path: Path, header: Sequence[str], row: Mapping[str, str]) -> None:
    """Append a row to a table; a cell that the row lacks is empty.

    Raises:
        UserError: the file cannot be written.
    """
    text = io.StringIO()
    csv.DictWriter(text, fieldnames=header, lineterminator="\n").writerow(row)
    _replace_link(path)
    with write_errors(path):
        handle = os.open(path, APPENDING, 0o666)
        with os.fdopen(handle, "a", newline="", encoding="utf-8") as file:
            file.write(text.getvalue())


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a whole table, replacing an existing one; without a header the file is empty."""
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8") as file:
        if header:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


def read(path: Path, what: str) -> tuple[list[str], list[list[str]]]:
    """Return header and rows, strictly; an incomplete last row, which is being written, is left out.

    Args:
        path: the table; one of an earlier version has no checksums, and its numbers are not verified.
        what: the table, for the messages.

    Returns:
        The columns without the checksums, and the cells of each row: numbers as text, or empty texts.

    Raises:
        UserError: there is no such file, it is not text, a column is repeated, a row has a wrong number of cells or a
            cell that is not a number, or a row does not match its checksum.
    """
    if not path.is_file():
        raise UserError(f"{path}: got no such file, expected {what}")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        header, *rows = list(csv.reader(lines[:-1])) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path}: got a file that is not text ({error}), expected {what}, a CSV file in UTF-8"
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
        return f"which does not match its {CHECK}: damaged or edited; if you edited it on purpose, remove that column"
    return None


def _checksum(cells: Mapping[str, str]) -> str:
    text = "\n".join(sorted(f"{name}={value}" for name, value in cells.items() if value))
    return str(zlib.crc32(text.encode()))


def _header_with(path: Path, columns: list[str]) -> list[str]:
    """Return the columns of a table after adding those of ``columns`` that it lacks."""
    if path.exists() and set(columns) <= set(found := _first_row(path)) and _ends_with_a_line(path):
        return found
    header, rows = _whole_rows(path) if path.exists() else ([], [])
    wider = [*columns, *(name for name in header if name not in columns)]
    named = [dict(zip(header, row, strict=True)) for row in rows]
    write(path, wider, ([row.get(name, "") for name in wider] for row in named))
    return wider


def _first_row(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return next(csv.reader([file.readline().replace("\0", "")]), [])


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _whole_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and rows without the rows that a kill or a full disk cut short, with a warning.

    A row with a number that does not match its checksum is kept, so that :func:`read` reports it.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines(keepends=True)
    header, *rows = list(csv.reader(line for line in lines if line.endswith("\n"))) or [[]]
    kept = [row for row in rows if row and len(row) == len(header) and row[0].isdecimal()]
    if lost := len(rows) - len(kept):
        logging.warning(f"{path}: {lost} of {len(rows)} rows are damaged and left out")
    return header, kept


def _replace_link(path: Path) -> None:
    """Replace a symbolic or hard link by a copy, so that the other file is not changed."""
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
