"""``ocp-dc models``."""

from __future__ import annotations

import argparse

from ocp_dc.commands.columns import print_columns

HEAD = ("name", "model", "forces", "native", "region: paper is")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the models of the installed host."""
    from ocp_dc.catalog import MODELS
    from ocp_dc.hosts import installed_name

    rows = [
        (model.name, model.title, model.forces, "yes" if model.native else "no", model.paper)
        for model in MODELS[installed_name()]
    ]
    print_columns([HEAD, *rows])
    return 0
