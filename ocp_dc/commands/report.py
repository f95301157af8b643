"""``ocp-dc report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ocp_dc.commands.checkpoint_options import add_checkpoint_options
from ocp_dc.commands.data_options import add_read_options, read_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add = parser.add_argument
    add("run_path", metavar="run", help="a run's folder, such as runs/results/ID or runs/ID, or its name")
    add("--data", type=Path, metavar="DATA", help="structures to evaluate (default: the test split of the config)")
    add("--out", type=Path, metavar="DIR", help="folder for report.html (default: report in the run's folder)")
    add("--first-n", type=int, metavar="N", help="evaluate only the first N structures")
    add("--nve", metavar="TIME", help="also simulate the first structure at constant energy, such as 2ps")
    add("--overwrite", action="store_true", help="replace an existing report in DIR")
    add_checkpoint_options(parser)
    add_read_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report of a run."""
    from ocp_dc.run_report import report_run
    from ocp_dc.run_report.evaluated import Settings

    settings = Settings(read_options(args), args.batch_size, args.first_n, args.nve)
    options = (args.cpu, args.trust_module, args.overwrite)
    print(f"written to {report_run(args.run_path, args.data, args.out, settings, *options)}")
    return 0
