"""Reports of runs of fairchem 2."""

from __future__ import annotations

import shutil

import pytest

from tests.helpers.report_checks import check_report, check_report_of_unfinished_run

pytestmark = pytest.mark.slow


def test_report(trained, ethanol, tmp_path, capsys):
    assert (trained / "results" / "learning_curves.png").read_bytes().startswith(b"\x89PNG")
    check_report(trained, trained / "results" / "validation.csv", ethanol, tmp_path, capsys)


def test_unfinished_run(trained, tmp_path, capsys):
    folder = tmp_path / "runs" / "copy"
    shutil.copytree(trained, folder)
    check_report_of_unfinished_run(folder, folder / "results", capsys)
