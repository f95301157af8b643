"""The command line: help for outsiders, statuses, and the calls of the documentation."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ocp_dc
from ocp_dc import __version__
from ocp_dc.cli import build_parser, main
from ocp_dc.data.sample import sample_path


def commands(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    """Yield every command of a parser, and of the parsers below it."""
    yield []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from ([name, *rest] for rest in commands(child))


COMMANDS = list(commands(build_parser()))


def test_the_commands_are_those_of_the_documentation():
    documented = "main prepare convert export inspect fit-scales evaluate predict select md relax study".split()
    documented += (
        "pinn init datasets report extend finetune schema completion demo configs studies models activations".split()
    )
    deeper = [["study", "run"], ["study", "search"], ["study", "report"], ["pinn", "train"], ["pinn", "data"]]
    assert {" ".join(command) for command in COMMANDS} >= {"", *documented, *map(" ".join, deeper)}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    out, error = capsys.readouterr()
    assert out.startswith(f"usage: {' '.join(['ocp-dc', *command])}")
    assert len(out.splitlines()) > 5
    assert ("--with" in out) == (command in (["main"], ["inspect"], ["fit-scales"]))
    assert error == ""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_mistyped_option_is_refused_without_a_traceback(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status: str | int | None
    try:
        status = main([*command, "--no-such-option"])
    except SystemExit as stop:  # of argparse, where an argument is missing as well
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert "error: " in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_as_a_module_and_with_a_wrong_command():
    done = subprocess.run([sys.executable, "-m", "ocp_dc", "trian"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "trian" in done.stderr
    assert "Traceback" not in done.stderr


NO_HOST = """
import importlib.metadata, sys
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "fairchem":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
found = importlib.metadata.version
def version(name):
    if name == "fairchem-core":
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.version = version
from ocp_dc.cli import main
assert main(["configs"]) == 0
for command in (
    ["main", "--mode", "train", "--config-yml", "md17/schnet-dc"],
    ["inspect", "md17/schnet-dc"],
    ["fit-scales", "md17/gemnet_t-dc"],
    ["evaluate", "checkpoint.pt", "data", "--out", "evaluation"],
    ["study", "run", "studies/extent", "--out", "study", "--dry-run"],
):
    assert main(command) == 2, command
"""


@pytest.mark.slow
def test_where_no_host_is_installed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(Path(ocp_dc.__file__).parents[1])}
    command = [sys.executable, "-c", NO_HOST]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 5
    assert all("pip install 'ocp_dc[fairchem1]'" in error for error in errors), errors


def test_prepare(tmp_path, capsys):
    counts = ["--train", "5", "--val", "2", "--test", "3", "--seed", "7"]
    out = tmp_path / "out"
    assert main(["prepare", str(sample_path()), str(out), "--format", "rmd17", "--units", "eV", *counts]) == 0
    assert "train 5, val 2, test 3" in capsys.readouterr().out
    description = json.loads((out / "dataset.json").read_text())
    assert description["counts"] == {"train": 5, "val": 2, "test": 3}
    assert description["seed"] == 7
    assert description["ocp_dc_version"] == __version__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--format", "md17"], "rmd17"),
        (["--units", "cal"], "kcal/mol"),
        (["--train", "100000"], "2000"),
        (["--spilt", "3"], "unknown arguments"),
    ],
)
def test_prepare_refuses(tmp_path, capsys, change, message):
    arguments = ["--format", "rmd17", "--units", "eV", "--train", "5", "--val", "2", "--test", "3", *change]
    assert main(["prepare", str(sample_path()), str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert message in error
    assert not (tmp_path / "out").exists()
