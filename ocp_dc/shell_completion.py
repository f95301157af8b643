"""Tab completion: a script for a shell with all commands, options, and names of configs, studies and models.

The script is static, so that completion starts no Python; shtab writes it from the parser of the command line.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import shtab

from ocp_dc.catalog import host_of_config
from ocp_dc.core.config_names import shipped_configs
from ocp_dc.hosts import Host

# destination of an argument -> the kind of names that it takes
NAMES = {
    "config": "configs",
    "config_yml": "configs",
    "study": "studies",
    "search": "searches",
    "recipes": "recipes",
    "models": "models",
    "task": "tasks",
}
OR_FILES = ("configs", "studies", "searches", "recipes")  # kinds for which a file may be given instead


def completion_script(parser: argparse.ArgumentParser, shell: str, host: Host | None) -> str:
    """Return the script that a shell loads.

    Args:
        parser: the parser of the command line; arguments are marked with what completes them.
        shell: ``bash``, ``zsh`` or ``fish``.
        host: the installed host, whose main and configs are completed; None without one.
    """
    if host is not None:
        commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        commands.choices["main"] = host.main_parser()
    names = completed_names(host)
    for action in _arguments(parser):
        if (kind := NAMES.get(action.dest)) is not None and action.choices is None:
            _complete(action, _one_of(kind, names[kind]))
        elif action.metavar == "DIR":
            _complete(action, shtab.DIRECTORY)
        elif action.choices is None and (action.type is Path or not action.option_strings):
            _complete(action, shtab.FILE)
    return shtab.complete(parser, shell=shell)


def completed_names(host: Host | None) -> dict[str, list[str]]:
    """Return the names that arguments take, by kind: configs, studies, recipes, models and tasks."""
    names = [config.name.rpartition(".")[0] for config in shipped_configs()]
    folders = {
        folder: [name for name in names if name.startswith(f"{folder}/")]
        for folder in ("studies", "searches", "dc", "pinn")
    }
    runs = [
        name
        for name in names
        if name not in folders["dc"] and host_of_config(name) in ([host.name] if host else ["fairchem1", "fairchem2"])
    ]
    stock = (name.partition("/")[2].partition("-") for name in runs)
    return {
        "configs": [*runs, *folders["pinn"]],
        "studies": folders["studies"],
        "searches": folders["searches"],
        "recipes": folders["dc"],
        "models": sorted({model for model, _, kind in stock if kind == "stock"}),
        "tasks": [name.removeprefix("pinn/") for name in folders["pinn"]],
    }


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of the parsers below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _arguments(child)
        elif action.nargs != 0:  # a switch takes nothing
            yield action


def _complete(action: argparse.Action, how: dict[str, Any]) -> None:
    """Mark an argument with what completes it, in shtab's form."""
    action.complete = how  # type: ignore[attr-defined]


def _one_of(kind: str, names: Iterable[str]) -> dict[str, Any]:
    """Return what completes an argument that takes names, or files as well, in shtab's form."""
    function, words = f"_ocp_dc_{kind}", shlex.join(names)
    bash, zsh = f'compgen -W {shlex.quote(words)} -- "$1"', f"compadd -- {words}"
    fish = f"printf '%s\\n' {words}"
    if kind in OR_FILES:
        bash, zsh = f'{bash}; compgen -f -- "$1"', f"{zsh}; _files"
        fish = f"{fish}; __fish_complete_path (commandline -ct)"
    preamble = {
        "bash": f"{function}() {{ {bash}; }}",
        "zsh": f"{function}() {{ {zsh}; }}",
        "fish": f"function {function}; {fish}; end",
    }
    return {"bash": function, "zsh": function, "fish": f"({function})", "preamble": preamble}
