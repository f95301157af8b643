"""``ocp-dc studies``."""

from __future__ import annotations

import argparse

from ocp_dc.commands.columns import print_columns


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the studies and searches that ship, by the names that `ocp-dc study run` and `search` take."""
    from ocp_dc.catalog import studies

    print_columns([(study.name, study.summary) for study in studies()])
    return 0
