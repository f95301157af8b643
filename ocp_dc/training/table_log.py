"""CSV files that a run appends rows to, and that a resumed run cuts and goes on with."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from ocp_dc.core import row_table


class TableLog:
    """Appends rows to a CSV file whose first column counts steps.

    A file that lacks a column, since an earlier version or another config began it, gets the column, empty in the rows
    that are there; a column that a row does not have stays, empty in that row.

    Args:
        path: the file.
        enabled: whether this process writes at all.
    """

    def __init__(self, path: Path, enabled: bool = True) -> None:
        self.path = path
        self.enabled = enabled

    def add_row(self, row: Mapping[str, object]) -> None:
        """Append a row with its checksum; the first column is the step."""
        if not self.enabled:
            return
        cells = row_table.checked(row)
        row_table.append(self.path, self._header_with(list(cells)), cells)

    def cut_after(self, step: int) -> None:
        """Drop the rows past ``step``, and one that a kill cut short: a resumed run writes them again."""
        if not self.enabled or not self.path.exists():
            return
        header, rows = self._read()
        row_table.write(self.path, header, (row for row in rows if int(row[0]) <= step))

    def _header_with(self, columns: list[str]) -> list[str]:
        """Return the columns of the file, which has ``columns`` among them from here on."""
        header = self._header() if self.path.exists() else []
        if header and set(columns) <= set(header) and self._is_whole():
            return header
        header, rows = self._read() if self.path.exists() else ([], [])
        wider = [*columns, *(name for name in header if name not in columns)]
        named = [dict(zip(header, row, strict=True)) for row in rows]
        row_table.write(self.path, wider, ([row.get(name, "") for name in wider] for row in named))
        return wider

    def _header(self) -> list[str]:
        """Return the columns of the file; of a long one no more is read."""
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            return next(csv.reader([file.readline().replace("\0", "")]), [])

    def _is_whole(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _read(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows, without rows that a kill or a full disk left cut short.

        A row with a number that does not fit its checksum stays: reading the table reports it.
        """
        lines = self.path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        header, *rows = list(csv.reader(whole)) or [[]]
        kept = [row for row in rows if row and len(row) == len(header) and row[0].isdecimal()]
        if lost := len(rows) - len(kept):
            logging.warning(f"{self.path}: {lost} of {len(rows)} rows are damaged and left out")
        return header, kept
