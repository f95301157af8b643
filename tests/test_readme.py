"""The README's config and commands are those that work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ocp_dc import pinn
from ocp_dc.cli import _parser
from ocp_dc.fairchem1 import main as fairchem_main
from ocp_dc.fairchem1.infer.inspect_model import inspect_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_config_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "config.yml").write_text(blocks("yaml")[0])
    text = inspect_config(str(tmp_path / "config.yml"))
    assert "1 activations swapped in region 'output'" in text
    assert len(blocks("yaml")[0].splitlines()) <= 10


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines() if "ocp-dc" in line])
def test_the_commands_parse(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    command, *arguments = shlex.split(line, comments=True)
    assert command == "ocp-dc"
    if arguments[0] == "main":
        args, overrides = fairchem_main.parse(arguments[1:])
        assert fairchem_main.resolve(args, overrides)["mode"] == "train"
    else:
        args, overrides = _parser().parse_known_args(arguments)
        assert args.command == arguments[0]
        assert not overrides or args.takes_overrides
        if args.command == "pinn":
            assert pinn.resolve(args.config, overrides)["task"] == "advection"
        elif overrides:
            run = fairchem_main.parse(["--mode", "train", "--config-yml", args.config, *overrides])
            assert fairchem_main.resolve(*run)["mode"] == "train"


def test_make_targets_and_paths_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), flags=re.MULTILINE):
        assert f"\n{target}:" in makefile
    for path in re.findall(r"\]\((?!http)([^)#]+)\)|`((?:configs|docs|requirements|benchmarks)/[^`*]+)`", TEXT):
        assert (ROOT / "".join(path)).exists(), path


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
