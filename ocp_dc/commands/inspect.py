"""``ocp-dc inspect``."""

from __future__ import annotations

import argparse

from ocp_dc.commands.recipes import add_recipes


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "config", help="a config, or the name of one that ships; overrides such as --model.dc.region=full may follow"
    )
    add_recipes(parser)
    parser.set_defaults(run=run, takes_overrides=True)


def run(args: argparse.Namespace) -> int:
    """Print what surgery would change in the model of a config."""
    from ocp_dc.hosts import installed_host

    print(installed_host().inspect(args.config, args.overrides, args.recipes))
    return 0
