"""``ocp-dc completion``."""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from ocp_dc.cli import build_parser
    from ocp_dc.core.errors import UserError
    from ocp_dc.hosts import installed_host
    from ocp_dc.shell_completion import completion_script

    try:
        host = installed_host()
    except UserError:  # without fairchem everything but the arguments of main can be completed
        host = None
    print(completion_script(build_parser(), args.shell, host))
    return 0
