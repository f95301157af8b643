"""The README's config works, and so does every command of the README and of docs/."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocp_dc import pinn
from ocp_dc.cli import build_parser
from ocp_dc.core.config_names import find_config
from ocp_dc.fairchem1 import main as fairchem_main
from ocp_dc.fairchem1.infer.inspect_model import inspect_config

from tests.helpers.documented_commands import with_shipped_configs

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("[!s]*/*.md"))]  # not studies/, by code
PAGES = [README, *DOCS, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
RUN_CONFIG = ["--config-yml", "configs/md17/schnet-dc.yml"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def commands(pages: list[Path]) -> Iterator[str]:
    """Yield each command of the shell blocks once; lines that end in a backslash are joined, variables left out."""
    lines = "\n".join(block for page in pages for block in blocks(page, "sh")).replace("\\\n", " ").splitlines()
    yield from dict.fromkeys(re.sub(r"^(\w+=\S+ )+", "", line) for line in lines if line and not line.startswith("#"))


COMMANDS = list(commands(PAGES))


def test_the_config_builds(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = blocks(README, "yaml")[0]
    (tmp_path / "config.yml").write_text(config)
    text = inspect_config(str(tmp_path / "config.yml"))
    assert "1 activations swapped in region 'output'" in text
    assert len(config.splitlines()) <= 10


def test_commands_are_found():
    assert {shlex.split(line, comments=True)[0] for line in COMMANDS} >= {"ocp-dc", "make", "pip", "python"}
    assert sum(line.startswith("ocp-dc") for line in COMMANDS) > 20


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("ocp-dc")])
def test_our_commands_parse_and_resolve(line, monkeypatch):
    monkeypatch.chdir(ROOT)
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    command, *arguments = shlex.split(with_shipped_configs(line, texts), comments=True)
    arguments = list(itertools.takewhile(lambda word: word != ">", arguments))
    assert command == "ocp-dc"
    if arguments[:2] == ["main", "-c"]:  # of fairchem 2; tests/fairchem2/test_commands_of_docs.py composes it
        find_config(arguments[2], "a config")
        return
    if arguments[0] == "main":
        args, overrides = fairchem_main.parse(arguments[1:])
        assert fairchem_main.resolve(args, overrides)["mode"] == args.mode
        return
    args, overrides = build_parser().parse_known_args(arguments)
    assert args.command == arguments[0]
    assert not overrides or args.takes_overrides
    config = getattr(args, "config", None) or getattr(args, "study", None)
    if config is not None:
        assert (ROOT / config).is_file(), config
    if config is not None and "fairchem2" in config:  # overrides of hydra
        return
    if args.command == "pinn":
        assert pinn.resolve(args.config, overrides)["task"] == "advection"
    elif overrides:
        run = fairchem_main.parse(["--mode", "train", "--config-yml", args.config, *overrides])
        assert fairchem_main.resolve(*run)["mode"] == "train"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_options_and_paths_in_the_text(page):
    text = re.sub(r"^\d+\. `.*", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)  # but for quoted errors
    ours = build_parser()._subparsers._group_actions[0].choices
    for name in re.findall(r"`ocp-dc ([a-z][a-z-]*)", text):
        assert name in ours, name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile, target
    for path in re.findall(r"(?<![\w/.])((?:benchmarks|tests|configs|ocp_dc|requirements)/[\w./-]+\.\w+)", text):
        if "MODEL" not in path:  # which stands for the name of a model
            assert (ROOT / path).exists(), path
    for module in re.findall(r"python -m ((?:tests|ocp_dc)\.[\w.]+)", text):
        assert importlib.util.find_spec(module) is not None, module
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)  # a SMILES may look like a link
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", prose):
        assert (page.parent / link).exists(), link


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^make test\b", README.read_text(), re.MULTILINE)
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
