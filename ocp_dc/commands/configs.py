"""``ocp-dc configs``."""

from __future__ import annotations

import argparse

from ocp_dc.commands.columns import print_columns


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the configs that ship, with a line on each: first those of the installed host."""
    from ocp_dc.catalog import configs_by_host
    from ocp_dc.core.errors import UserError
    from ocp_dc.hosts import installed_name

    try:
        installed = installed_name()
    except UserError:  # without fairchem there is no first group
        installed = None
    for number, (heading, configs) in enumerate(configs_by_host(installed).items()):
        print(f"{'' if number == 0 else chr(10)}# {heading}")
        print_columns([(config.name, config.summary) for config in configs])
    return 0
