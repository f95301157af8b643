"""The command line ``ocp-dc``; :mod:`ocp_dc.core.failures` handles its errors."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ocp_dc import __version__
from ocp_dc.core.errors import UserError
from ocp_dc.core.failures import exit_status
from ocp_dc.core.search_path import share_with_children

DEBUG = "--debug"


class Command(NamedTuple):
    """A command.

    Args:
        name: its name.
        module: the module whose ``configure`` adds its arguments to a parser; imported only if it is used.
        help: what it does.
    """

    name: str
    module: str
    help: str


COMMANDS = (
    Command("main", "main", "run fairchem's main with the plugin loaded: train, validate, predict, run-relaxations"),
    Command("configs", "configs", "list the configs that ship; every command takes them by name, from any folder"),
    Command("studies", "studies", "list the studies and searches that ship, with the title of each"),
    Command("models", "models", "list the models of the installed fairchem that take a dc: block"),
    Command("activations", "activations", "list the activations, with formula and purpose"),
    Command("prepare", "prepare", "turn structures with energies and forces into a data set that fairchem reads"),
    Command("datasets", "datasets", "list the data sets that prepare downloads by name"),
    Command("init", "init", "look at files of structures, prepare them, and write a config that trains on them"),
    Command("inspect", "inspect", "build a config's model and print what surgery would change"),
    Command("fit-scales", "fit_scales", "fit GemNet's scale factors for a config's surgery, before training"),
    Command(
        "extend", "extend", "train a finished run for more epochs, with a second, lower cycle of the learning rate"
    ),
    Command("finetune", "finetune", "train the weights of a checkpoint further on other data"),
    Command(
        "evaluate",
        "evaluate",
        "errors of a checkpoint on structures: tables, CSV, JSON, plots; the calibration of an ensemble",
    ),
    Command("predict", "predict", "energies and forces for the structures of a file, as extended XYZ"),
    Command("select", "select", "choose structures of a file for labeling: the most uncertain, or the most diverse"),
    Command("md", "md", "molecular dynamics with a checkpoint: NVE, NVT or NPT, guarded, resumable"),
    Command("relax", "relax", "relax structures with a checkpoint, and their cells"),
    Command("report", "report", "one page about a run: config, curves, errors in parts, worst structures, times"),
    Command("study", "study", "ablation studies and searches for recipes: run one, or report what it found"),
    Command("convert", "convert", "turn a checkpoint or a data set of one fairchem into the other's"),
    Command("export", "export", "write a trained potential as a file for other programs, such as LAMMPS"),
    Command("pinn", "pinn", "physics-informed tasks: train one, or generate its data"),
    Command("schema", "schema", "print the JSON Schema of a kind of config, by which editors check and complete it"),
    Command("completion", "completion", "print a script that completes ocp-dc's arguments in a shell"),
    Command("demo", "demo", "train SchNet on the bundled sample, stock and derivative-constrained, and compare"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the arguments without the name of the program; None takes those of this process.

    Returns:
        the exit status: 0, 1 for a training run that diverged, a simulation that stopped or a relaxation that did not
        converge, 2 for any other error, 3 for runs of a study that failed, 130 for Ctrl-C.
    """
    if arguments is None:  # this process is the command
        share_with_children()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    return exit_status(lambda: _run(arguments), arguments, debug=DEBUG in arguments)


def _run(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == [DEBUG] else arguments
    if command[:1] == ["main"]:  # fairchem parses these itself, and has another --debug
        from ocp_dc.hosts import installed_host

        installed_host().main(command[1:])
        return 0
    words = [each for each in arguments if each != DEBUG]
    args, rest = build_parser(words[:1]).parse_known_args(words)
    if rest and not args.takes_overrides:
        name = " ".join([args.command, *([args.action] if "action" in args else [])])
        raise UserError(f"unknown arguments: {' '.join(rest)}; see `ocp-dc {name} --help`")
    args.overrides, args.arguments = rest, arguments
    return int(args.run(args))


def build_parser(used: Iterable[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        used: the commands whose arguments it should know; None for all. The modules of the others are not imported.
    """
    names = [command.name for command in COMMANDS] if used is None else list(used)
    parser = argparse.ArgumentParser(
        prog="ocp-dc",
        description="Derivative-constrained training of interatomic potentials (energy and forces learned together), "
        "as a plugin for fairchem (the Open Catalyst project).",
        epilog="An error ends with one message. With --debug, anywhere in the command, or OCP_DC_DEBUG=1 its traceback "
        "is shown as well; in `ocp-dc main` fairchem's --debug also writes no files, `ocp-dc --debug main` does.",
    )
    # for the help only: it is removed before the rest is parsed
    parser.add_argument(DEBUG, action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"ocp-dc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        if command.name == "main":
            commands.add_parser("main", help=command.help, add_help=False)
            continue
        # abbreviations would take --see=3, a mistyped override, for --seed
        child = commands.add_parser(
            command.name, help=command.help, description=sentence(command.help), allow_abbrev=False
        )
        if command.name in names:
            child.set_defaults(takes_overrides=False)
            importlib.import_module(f"ocp_dc.commands.{command.module}").configure(child)
    return parser


def sentence(help: str) -> str:
    """Return a one-line help as a sentence."""
    return f"{help[0].upper()}{help[1:]}."
