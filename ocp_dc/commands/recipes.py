"""The option ``--with`` of commands that take a config."""

from __future__ import annotations

import argparse

HELP = "change the config by a recipe such as dc/schnet, before overrides; may be given several times"


def add_recipes(parser: argparse.ArgumentParser) -> None:
    """Add the option; the names are in ``args.recipes``."""
    parser.add_argument("--with", dest="recipes", action="append", default=[], metavar="RECIPE", help=HELP)
