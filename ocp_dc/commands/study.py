"""``ocp-dc study run``, ``ocp-dc study search`` and ``ocp-dc study report``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocp_dc.commands.actions import Actions

if TYPE_CHECKING:
    from ocp_dc.study.launch import Launch


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of the command."""
    actions = Actions(parser, "run", "search", "report")
    add = actions.add("run", run_study, "train every arm of a study with every seed, and report").add_argument
    add("study", help="the study, such as studies/coefficient, which ships, or a file")
    add("--out", type=Path, required=True, metavar="DIR", help="its folder; runs that are finished there are kept")
    add("--budget", default="full", metavar="B", help="smoke, or such as '8 epochs', '500 steps', '3 minutes' (a run)")
    add("--data", nargs="+", default=(), metavar="D", help="data sets: names of the study's, FOLDER, or NAME=FOLDER")
    add("--models", nargs="+", default=(), metavar="M", help="models of the study's; all of them by default")
    add("--arms", nargs="+", default=(), metavar="A", help="arms of the study's beside the baseline; all by default")
    add("--seeds", nargs="+", default=(), type=int, metavar="S", help="seeds instead of the study's")
    _add_resources(add, "runs")
    add = actions.add("search", run_search, "search for the values of config keys with the lowest errors").add_argument
    add("search", help="the search, such as searches/recipe, which ships, or a file")
    add("--out", type=Path, required=True, metavar="DIR", help="its folder; trials that are finished there are kept")
    add("--trials", type=int, metavar="N", help="trials of each arm and model; more than before continue")
    add("--data", nargs="+", default=(), metavar="D", help="data sets: names of the search's, FOLDER, or NAME=FOLDER")
    add("--models", nargs="+", default=(), metavar="M", help="models of the search's; all of them by default")
    add("--arms", nargs="+", default=(), metavar="A", help="arms of the search's; all of them by default")
    _add_resources(add, "trials")
    parser = actions.add("report", report, "print and write the report of a study or a search, finished or not")
    parser.add_argument("out", type=Path, help="its folder")


def _add_resources(add: Callable[..., Any], what: str) -> None:
    """Add the options that say where and how many at a time."""
    add("--jobs", type=int, metavar="N", help=f"{what} at a time (default: one per GPU, or per core)")
    add("--threads", type=int, metavar="N", help="threads of each run (default: 1 on a CPU)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--dry-run", action="store_true", help=f"check everything, list the {what} and start none")
    add("--submit", nargs="*", metavar="KEY=VALUE", help="submit jobs to Slurm: slurm_partition=gpu timeout_min=600")


def _launch(args: argparse.Namespace) -> Launch:
    """Return the values of :func:`_add_resources`."""
    from ocp_dc.study.launch import Launch

    command = shlex.join(["ocp-dc", *args.arguments])
    return Launch(command, args.jobs, args.threads, args.cpu, args.dry_run, args.submit)


def run_study(args: argparse.Namespace) -> int:
    """Run a study; return 3 if runs failed."""
    from ocp_dc.study.commands import run_study
    from ocp_dc.study.plan import Choices

    choices = Choices(args.budget, args.data, args.models, args.arms, args.seeds)
    return run_study(args.study, args.out, choices, _launch(args))


def run_search(args: argparse.Namespace) -> int:
    """Run a search; return 3 if trials failed."""
    from ocp_dc.study.search.commands import SearchChoices, run_search

    choices = SearchChoices(args.models, args.arms, args.data, args.trials)
    return run_search(args.search, args.out, choices, _launch(args))


def report(args: argparse.Namespace) -> int:
    """Report a study or a search."""
    from ocp_dc.study.commands import report_study

    report_study(args.out)
    return 0
