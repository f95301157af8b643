"""Runs of either host by folder, name and checkpoint."""

from __future__ import annotations

import pytest
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.run_report.run import run_to_report, source_of_split


def touch(path, text="a: 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A run of fairchem 1.10 and one of fairchem 2, in the folder ``runs`` of the working folder."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "runs" / "results" / "first" / "config.yml")
    touch(tmp_path / "runs" / "checkpoints" / "first" / "best_checkpoint.pt")
    touch(tmp_path / "more" / "second" / "canonical_config.yaml")
    touch(tmp_path / "more" / "second" / "results" / "best_inference_ckpt.pt")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["runs", "runs/results/first", "runs/checkpoints/first", "runs/checkpoints/first/best_checkpoint.pt"],
)
def test_a_run_of_fairchem_1(runs, name):
    run = run_to_report(name)
    assert run.host == "fairchem1"
    assert run.results.resolve() == runs / "runs" / "results" / "first"
    assert run.config.name == "config.yml"
    assert run.checkpoint is not None
    assert run.checkpoint.resolve() == runs / "runs" / "checkpoints" / "first" / "best_checkpoint.pt"


@pytest.mark.parametrize("name", ["more/second", "more/second/results", "more/second/results/best_inference_ckpt.pt"])
def test_a_run_of_fairchem_2(runs, name):
    run = run_to_report(name)
    assert (run.host, run.folder.resolve()) == ("fairchem2", runs / "more" / "second")
    assert run.validation.resolve() == runs / "more" / "second" / "results" / "validation.csv"
    assert run.checkpoint is not None


@pytest.mark.parametrize("numbers", [(2, 10, 3), (10, 3, 2), (3, 2, 10)])
def test_the_last_config_counts(runs, numbers):
    for number in numbers:
        touch(runs / "runs" / "results" / "first" / f"config-{number}.yml", f"number: {number}\n")
    assert run_to_report("runs").read_config() == {"number": 10}


def test_an_unfinished_run_has_no_checkpoint(runs):
    (runs / "runs" / "checkpoints" / "first" / "best_checkpoint.pt").unlink()
    assert run_to_report("runs").checkpoint is None


def test_what_is_not_one_run(runs):
    touch(runs / "runs" / "results" / "other" / "config.yml")
    with pytest.raises(UserError, match=r"runs: holds several runs; name one of .*first, .*other"):
        run_to_report("runs")
    with pytest.raises(UserError, match="nothing: no run of this name; expected the folder of a run"):
        run_to_report("nothing")
    touch(runs / "runs" / "results" / "first" / "config.yml", "- 1\n")
    with pytest.raises(UserError, match="expected the config of a run"):
        run_to_report("runs/results/first").read_config()


@pytest.mark.parametrize(
    ("text", "test", "val"),
    [
        ("{dataset: {train: {src: a}, val: {src: b}, test: {src: c}}}", "c", "b"),
        ("{runner: {e: [{splits: {val: {src: b}}}, {x: {splits: {test: {src: c}}}}]}}", "c", "b"),
        ("{dataset: {train: {src: a}, test: null}, val: 3}", None, None),
    ],
)
def test_the_data_of_a_split(text, test, val):
    config = yaml.safe_load(text)
    assert (source_of_split(config, "test"), source_of_split(config, "val")) == (test, val)
