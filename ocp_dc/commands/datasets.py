"""``ocp-dc datasets``."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the data sets that are downloaded by name, with a line on each."""
    from ocp_dc.data.readers.named_downloads import OC20, download_names

    for name, summary in download_names().items():
        print(f"{name:27}  {summary}")
    print("\nTo prepare one: ocp-dc prepare 'download:3bpa 300K' data/3bpa")
    print(OC20)
    return 0
