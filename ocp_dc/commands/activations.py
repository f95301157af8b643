"""``ocp-dc activations``."""

from __future__ import annotations

import argparse

from ocp_dc.commands.columns import print_columns


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the activations: name, settings, formula and purpose."""
    from ocp_dc.nn import ACTIVATIONS

    print_columns(
        [
            (" or ".join((each.name, *each.aliases)), ", ".join(each.settings), each.formula, each.purpose)
            for each in ACTIVATIONS
        ]
    )
    return 0
