"""The actions of a command, such as ``run`` and ``report`` of ``ocp-dc study``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Run = Callable[[argparse.Namespace], int]


class Actions:
    """The actions of a command.

    Args:
        parser: the parser of the command.
        names: the names of the actions, for its help.
    """

    def __init__(self, parser: argparse.ArgumentParser, *names: str) -> None:
        self._actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(names))

    def add(self, name: str, run: Run, help: str, takes_overrides: bool = False) -> argparse.ArgumentParser:
        """Return the parser of a new action, which calls ``run``."""
        description = f"{help[0].upper()}{help[1:]}."
        parser = self._actions.add_parser(name, help=help, description=description, allow_abbrev=False)
        parser.set_defaults(run=run, takes_overrides=takes_overrides)
        return parser
