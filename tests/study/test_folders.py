"""The files of a run: what is read is what was written, and what a kill cut off never blocks."""

from __future__ import annotations

import json
import logging

import pytest

from ocp_dc.errors import UserError
from ocp_dc.study.folders import RunFolder

DESCRIPTION = {"id": "a", "engine": "fairchem", "model": "m", "data": "d", "arm": "x", "seed": 0}
RESULT = {"status": "done", "message": "", "test": {"energy_mae": 0.25, "forces_mae": None}}


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "runs" / "a")
    made.write(DESCRIPTION, {"model": {"name": "dc_schnet"}})
    made.finish(RESULT)
    return made


def test_what_is_read_is_what_was_written(folder):
    assert folder.read("result.json") == RESULT
    assert folder.description() == DESCRIPTION
    assert folder.read("failure.json") is None


@pytest.mark.parametrize("content", ["", '{"status": "done", "mess', "\0" * 30])
@pytest.mark.parametrize("name", ["run.json", "result.json", "failure.json", "job.json"])
def test_cut_off_counts_as_missing(folder, caplog, name, content):
    (folder.path / name).write_text(content)
    with caplog.at_level(logging.WARNING):
        assert folder.read(name) is None
    assert f"{name}: is empty or cut off" in caplog.text


def test_a_changed_digit_is_no_result(folder):
    path = folder.path / "result.json"
    path.write_text(path.read_text().replace("0.25", "0.35"))
    with pytest.raises(UserError, match=rf"damaged or edited; remove {folder.path} to make the run again"):
        folder.read("result.json")


@pytest.mark.parametrize(
    "change",
    [{"status": "Done"}, {"status": None}, {"message": 3}, {"test": {"energy_mae": "0.1"}}, {"test": {"a": True}}],
)
def test_results_of_earlier_versions_are_checked(folder, change):
    path = folder.path / "result.json"
    path.write_text(json.dumps(RESULT))  # without a digest
    assert folder.read("result.json") == RESULT
    path.write_text(json.dumps({**RESULT, **change}))
    with pytest.raises(UserError, match=r"result\.json: .*got .*expected .*to make the run again"):
        folder.read("result.json")
    path.write_text(json.dumps({key: value for key, value in RESULT.items() if key not in change}))
    if "test" not in change:
        with pytest.raises(UserError, match="lacks"):
            folder.read("result.json")
