"""``ocp-dc configs``."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the configs that ship, with a line on each."""
    from ocp_dc.core.config_names import shipped_configs

    for config in shipped_configs():
        print(f"{config.name:34}  {config.summary}")
    return 0
