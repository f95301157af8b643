"""Reports and live curves of runs of fairchem 1.10."""

from __future__ import annotations

import shutil

import pytest

from tests.helpers.report_checks import check_report, check_report_of_unfinished_run

pytestmark = pytest.mark.slow


def test_report(trained, ethanol, tmp_path, capsys):
    assert trained.result("learning_curves.png").read_bytes().startswith(b"\x89PNG")
    run = trained.result("validation.csv").parent
    check_report(run, trained.result("validation.csv"), ethanol, tmp_path, capsys)


def test_unfinished_run(trained, tmp_path, capsys):
    for kind in ("results", "checkpoints"):
        shutil.copytree(trained.folder / kind / trained.name, tmp_path / kind / trained.name)
    folder = tmp_path / "results" / trained.name
    check_report_of_unfinished_run(folder, folder, capsys)
