"""The files of a run: what is read is what was written, and what a kill cut off never blocks."""

from __future__ import annotations

import json
import logging

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.study.folders import REPORTED, RunFolder

DESCRIPTION = {"id": "a", "engine": "fairchem", "model": "m", "data": "d", "arm": "x", "seed": 0}
RESULT = {"status": "done", "message": "", "test": {"energy_mae": 0.25, "forces_mae": None}}

CONFIG = {"model": {"name": "dc_schnet"}, "optim": {"lr_initial": 0.001}}


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "runs" / "a")
    made.write(DESCRIPTION, CONFIG)
    made.finish(RESULT)
    return made


def test_what_is_read_is_what_was_written(folder):
    assert folder.read("result.json") == {**RESULT, "files": {}}
    assert {key: folder.description()[key] for key in DESCRIPTION} == DESCRIPTION
    assert folder.config() == CONFIG
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


def test_a_config_is_the_one_that_was_planned(folder):
    path = folder.path / "config.yml"
    path.write_text(path.read_text().replace("0.001", "0.003"))
    with pytest.raises(UserError, match=r"config\.yml: its content does not match run\.json"):
        folder.config()
    (folder.path / "run.json").write_text(json.dumps(DESCRIPTION))  # of an earlier version
    assert folder.config()["optim"] == {"lr_initial": 0.003}


@pytest.mark.parametrize("name", REPORTED)
@pytest.mark.parametrize("content", [None, "", "step,loss\n", "step,loss\n1,3\n2,2\n"])
def test_the_records_of_a_finished_run_are_those_of_its_end(folder, name, content):
    """Also where they lost whole lines."""
    folder.results.mkdir(parents=True)
    path = folder.results / name
    path.write_text("step,loss\n1,2\n2,2\n")
    folder.finish(RESULT)
    result = folder.read("result.json")
    folder.check_files(result)
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match="differs from the file at the end of the run"):
        folder.check_files(result)
    folder.check_files(RESULT)  # of an earlier version
