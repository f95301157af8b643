"""The command line: help for outsiders, statuses, and the calls of the documentation."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ocp_dc import __version__
from ocp_dc.cli import main
from ocp_dc.data.sample import sample_path


@pytest.mark.parametrize("command", [[], ["main"], ["prepare"], ["inspect"], ["fit-scales"], ["evaluate"], ["demo"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "usage: ocp-dc" in text
    assert len(text.splitlines()) > 5


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_as_a_module_and_with_a_wrong_command():
    done = subprocess.run([sys.executable, "-m", "ocp_dc", "trian"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "trian" in done.stderr
    assert "Traceback" not in done.stderr


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
