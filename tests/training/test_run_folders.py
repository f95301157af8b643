"""Checkpoints by the folder and the name of a run, and those of an arm of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_record
from ocp_dc.training.run_folders import find_checkpoint, find_checkpoints


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_returned_as_it_is(here):
    assert find_checkpoint(touch(here / "any.pt")) == here / "any.pt"
    assert find_checkpoint("any.pt") == Path("any.pt")


@pytest.mark.parametrize("name", ["first", "checkpoints/first", "results/first", "out/../checkpoints/first"])
def test_runs_of_fairchem_1(here, name):
    best = touch(here / "checkpoints" / "first" / "best_checkpoint.pt")
    touch(here / "checkpoints" / "second" / "best_checkpoint.pt")
    touch(here / "results" / "first" / "validation.csv")
    (here / "out").mkdir()
    assert find_checkpoint(name).resolve() == best
    assert find_checkpoint(here / name if name != "first" else name).resolve() == best


@pytest.mark.parametrize("name", ["first", "runs/first", "runs/first/results"])
def test_runs_of_fairchem_2(here, name):
    best = touch(here / "runs" / "first" / "results" / "best_inference_ckpt.pt")
    touch(here / "runs" / "second" / "results" / "best_inference_ckpt.pt")
    assert find_checkpoint(name).resolve() == best


def test_the_folder_of_runs_if_there_is_one(here):
    best = touch(here / "out" / "checkpoints" / "first" / "best_checkpoint.pt")
    assert find_checkpoint("out").resolve() == best
    touch(here / "out" / "checkpoints" / "second" / "best_checkpoint.pt")
    with pytest.raises(
        UserError, match=r"out: holds several runs.* Name one of out/checkpoints/first, out/checkpoints/s"
    ):
        find_checkpoint("out")


def test_the_nearest_name(here):
    touch(here / "runs" / "ethanol" / "results" / "best_inference_ckpt.pt")
    touch(here / "checkpoints" / "slabs" / "best_checkpoint.pt")
    message = r"checkpoint etanol: no such file; .* \(ethanol, slabs\)\. Did you mean 'ethanol'\?"
    with pytest.raises(UserError, match=message):
        find_checkpoint("etanol")


def test_where_there_is_nothing(here):
    with pytest.raises(UserError, match=r"checkpoint nothing: no such file; .* of this folder\.$"):
        find_checkpoint("nothing")


def test_a_run_without_a_validation(here):
    touch(here / "checkpoints" / "first" / "checkpoint.pt")
    message = r"checkpoint checkpoints/first: is a folder without .* Name checkpoints/first/checkpoint.pt for the last"
    with pytest.raises(UserError, match=message):
        find_checkpoint("first")


def add_run(study: Path, name: str, status: str | None = "done", **changes: object) -> Path:
    folder = study / "runs" / name
    folder.mkdir(parents=True)
    description = {"model": "schnet", "data": "ethanol", "arm": "dc", "seed": 0, **changes}
    write_record(folder / "run.json", description)
    if status:
        write_record(folder / "result.json", {"status": status, "message": ""})
    return touch(folder / "checkpoints" / "train" / "best_checkpoint.pt")


def test_the_runs_of_an_arm_by_seed(here):
    study = here / "study"
    second = add_run(study, "a", seed=11)
    first = add_run(study, "b", seed=2)
    add_run(study, "c", arm="original")
    for name in ("study:dc", "study:schnet/dc", "study:ethanol/schnet/dc"):
        assert [path.resolve() for path in find_checkpoints(name)] == [first, second]
    assert [path.resolve() for path in find_checkpoints([f"{study}:dc", f"{study}:original"])][:2] == [first, second]


def test_runs_that_are_not_finished_are_left_out(here, caplog):
    best = add_run(here / "study", "a", seed=1)
    add_run(here / "study", "b", seed=2, status=None)
    add_run(here / "study", "c", seed=3, status="diverged")
    assert [path.resolve() for path in find_checkpoints("study:dc")] == [best]
    assert "1 of its 3 runs are finished" in caplog.text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("study:cd", r"unknown arm of study 'cd': expected one of dc, .*Did you mean 'dc'\?"),
        ("study:dc", r"study:dc: got the runs of painn/ethanol/dc, schnet/ethanol/dc; expected one of these"),
        ("study:late", r"study:late: none of its 1 runs is finished"),
        ("study", r"checkpoint study: is a study; name one of its arms after a colon, as in study:ARM"),
    ],
)
def test_arms_that_are_refused(here, name, message):
    add_run(here / "study", "a")
    add_run(here / "study", "b", model="painn")
    add_run(here / "study", "c", arm="late", status=None)
    with pytest.raises(UserError, match=message):
        find_checkpoints(name)
    assert len(find_checkpoints("study:painn/dc")) == 1


def test_a_checkpoint_counts_once(here):
    touch(here / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt: is named twice"):
        find_checkpoints(["a.pt", "a.pt"])
    with pytest.raises(UserError, match="got no checkpoint"):
        find_checkpoints([])
