"""Tables that a run appends to; what a validation makes of them is in test_validation_log.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocp_dc.core import row_table
from ocp_dc.training.table_log import TableLog


def test_a_long_table_is_not_read_again_for_each_row(tmp_path, monkeypatch):
    log = TableLog(tmp_path / "losses.csv")
    log.add_row({"iteration": 0, "total": 1.0})
    monkeypatch.setattr(TableLog, "_read", lambda self: pytest.fail("read the whole table"))
    log.add_row({"iteration": 1, "total": 0.5})
    assert row_table.read(log.path, "rows")[1] == [["0", "1.0"], ["1", "0.5"]]


def test_a_table_without_checksums_gets_them(tmp_path):
    """One that an earlier version began."""
    path = tmp_path / "losses.csv"
    path.write_text("iteration,total\n0,1.0\n4,0.5\n", encoding="utf-8")
    log = TableLog(path)
    log.cut_after(0)
    log.add_row({"iteration": 4, "total": 0.25})
    header, rows = row_table.read(path, "rows")
    assert (header, rows) == (["iteration", "total"], [["0", "1.0"], ["4", "0.25"]])
    assert row_table.CHECK in path.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.parametrize("content", ["", "\n\n", "iteration,tot"])
def test_a_header_that_a_kill_cut(tmp_path: Path, content):
    path = tmp_path / "losses.csv"
    path.write_text(content, encoding="utf-8")
    TableLog(path).cut_after(3)
    TableLog(path).add_row({"iteration": 4, "total": 0.25})
    assert row_table.read(path, "rows") == (["iteration", "total"], [["4", "0.25"]])
