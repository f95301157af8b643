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
        row_table.append(path, [*ROWS[0], row_table.CHECK], row_table.with_checksum(row))
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
    with pytest.raises(UserError, match="repeated"):
        row_table.read(path, "a table")


def test_a_link_to_nowhere_is_replaced(tmp_path):
    path = tmp_path / "table.csv"
    path.symlink_to(tmp_path / "nowhere.csv")
    row_table.append(path, ["step"], {"step": "1"})
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def lines(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_rows_are_added_and_the_table_cut(tmp_path):
    path = tmp_path / "table.csv"
    row_table.cut_after(path, 0)
    assert not path.exists()
    for step in (0, 5, 10, 15):
        row_table.add_row(path, {"step": step, "loss": step / 4})
    before = path.read_bytes().splitlines(keepends=True)
    row_table.cut_after(path, 10)
    assert path.read_bytes() == b"".join(before[:4])
    row_table.add_row(path, {"step": 15, "loss": 15 / 4})
    assert path.read_bytes() == b"".join(before)


def test_a_row_with_a_new_column(tmp_path):
    path = tmp_path / "table.csv"
    row_table.add_row(path, {"step": 1, "loss": 0.5})
    row_table.add_row(path, {"step": 2, "error": 0.25})
    header, rows = row_table.read(path, "a table")
    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {"step": "1", "error": "", "loss": "0.5"},
        {"step": "2", "error": "0.25", "loss": ""},
    ]


def test_damaged_rows_are_dropped_with_a_warning(tmp_path, caplog):
    path = tmp_path / "table.csv"
    for step in (1, 2, 3, 4):
        row_table.add_row(path, {"step": step, "loss": 0.5})
    text = path.read_text().replace("\n2,", "\nx,").replace("\n3,0.5", "\n3") + "5,0."
    path.write_text(text)
    row_table.cut_after(path, 9)
    assert [row[0] for row in lines(path)] == ["step", "1", "4"]
    assert "2 of 4 rows are damaged and left out" in caplog.text


def test_a_row_with_a_wrong_number_is_kept_for_the_reader(tmp_path):
    path = tmp_path / "table.csv"
    row_table.add_row(path, {"step": 1, "loss": 0.5})
    path.write_text(path.read_text().replace("0.5", "0.6"))
    row_table.cut_after(path, 1)
    with pytest.raises(UserError, match="does not match its crc32"):
        row_table.read(path, "a table")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"step,lo", bytes(30)])
def test_a_table_without_a_header_begins_again(tmp_path, content):
    for cut in (False, True):
        path = tmp_path / "table.csv"
        path.write_bytes(content)
        if cut:
            row_table.cut_after(path, 3)
        row_table.add_row(path, {"step": 4, "loss": 0.5})
        assert row_table.read(path, "a table") == (["step", "loss"], [["4", "0.5"]])


def test_a_long_table_is_not_read_again_for_each_row(tmp_path, monkeypatch):
    path = tmp_path / "losses.csv"
    row_table.add_row(path, {"iteration": 0, "total": 1.0})
    monkeypatch.setattr(row_table, "_whole_rows", lambda path: pytest.fail("read the whole table"))
    row_table.add_row(path, {"iteration": 1, "total": 0.5})
    assert row_table.read(path, "rows")[1] == [["0", "1.0"], ["1", "0.5"]]


def test_a_table_of_an_earlier_version_gets_checksums(tmp_path):
    path = tmp_path / "losses.csv"
    path.write_text("iteration,total\n0,1.0\n4,0.5\n", encoding="utf-8")
    row_table.cut_after(path, 0)
    row_table.add_row(path, {"iteration": 4, "total": 0.25})
    assert row_table.read(path, "rows") == (["iteration", "total"], [["0", "1.0"], ["4", "0.25"]])
    assert row_table.CHECK in path.read_text(encoding="utf-8").splitlines()[0]


def test_the_checksum_does_not_depend_on_the_order_of_columns():
    row = {"step": 4, "epoch": 1.0, "loss": 0.25}
    assert (
        row_table.with_checksum(row)[row_table.CHECK]
        == row_table.with_checksum(dict(reversed(row.items())))[row_table.CHECK]
    )
