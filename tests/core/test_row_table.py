"""Tables with a checksum a row: what is written is read, and damage is told."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError

ROWS: list[dict[str, object]] = [
    {"step": 5, "forces_mae [eV/Å]": 0.1 + 0.2, "loss": float("nan"), "time": ""},
    {"step": 10, "forces_mae [eV/Å]": np.float64(1e-17), "loss": float("inf"), "time": 2.5},
]


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "table.csv"
    row_table.write(path, [*ROWS[0], row_table.CHECK], [])
    for row in ROWS:
        row_table.append(path, [*ROWS[0], row_table.CHECK], row_table.checked(row))
    return path


def test_round_trip(table):
    header, rows = row_table.read(table, "a table")
    assert header == list(ROWS[0])
    assert rows == [["5", "0.30000000000000004", "nan", ""], ["10", "1e-17", "inf", "2.5"]]
    with table.open(newline="", encoding="utf-8") as file:
        assert np.array([[float(cell or "nan") for cell in row] for row in list(csv.reader(file))[1:]]).shape == (2, 5)


def test_every_flip_of_a_bit_is_told_or_changes_no_number(table):
    content = table.read_bytes()
    whole = row_table.read(table, "a table")[1]
    unnoticed = 0
    for place in range(len(content)):
        for bit in range(8):
            table.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            try:
                rows = row_table.read(table, "a table")[1]
            except UserError:
                continue
            # the name of the column of checksums, the end of the last line, or another kind of line end
            unnoticed += [row[:4] for row in rows] not in (whole, whole[:1])
    assert unnoticed == 0


def test_columns_that_come_later_and_rows_without_a_checksum(table):
    header, *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    row_table.write(table, ["new", *header], [["", *row] for row in rows] + [["7", "15", "1", "1", "1", ""]])
    assert row_table.read(table, "a table")[1][-1] == ["7", "15", "1", "1", "1"]


@pytest.mark.parametrize("cell", ["1_0", " 1", "٣", "0x1p3", "1e", "1 "])
def test_what_python_takes_for_a_number_and_nobody_wrote(tmp_path, cell):
    path = tmp_path / "table.csv"
    path.write_text(f"step,loss\n1,{cell}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"line 2.*expected a number in each column"):
        row_table.read(path, "a table")


def test_a_column_that_stands_twice(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("step,loss,loss\n1,2,3\n", encoding="utf-8")
    with pytest.raises(UserError, match="stands twice"):
        row_table.read(path, "a table")


def test_a_link_to_nowhere_is_replaced(tmp_path):
    path = tmp_path / "table.csv"
    path.symlink_to(tmp_path / "nowhere.csv")
    row_table.append(path, ["step"], {"step": "1"})
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_the_checksum_does_not_depend_on_the_order_of_columns():
    row = {"step": 4, "epoch": 1.0, "loss": 0.25}
    assert row_table.checked(row)[row_table.CHECK] == row_table.checked(dict(reversed(row.items())))[row_table.CHECK]
