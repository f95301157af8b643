"""``ocp-dc study search``: check a search, make its trials, and report the best ones."""

from __future__ import annotations

import dataclasses
import importlib.util
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.numbers import whole_number
from ocp_dc.study.launch import Launch
from ocp_dc.study.search.folder import SearchFolder, continued_keys, read_folder, write_folder
from ocp_dc.study.search.spec import Search, load_search, read_search

INSTALL = "Optuna is not installed, which a search needs: pip install 'ocp_dc[search]'"


@dataclasses.dataclass(frozen=True)
class SearchChoices:
    """The parts of a search selected on the command line: models and arms, all by default; data sets; the trials."""

    models: Sequence[str] = ()
    arms: Sequence[str] = ()
    data: Sequence[str] = ()
    trials: int | None = None


def run_search(file: str | Path, out: Path, choices: SearchChoices, launch: Launch) -> int:
    """Check a search, make the trials that are left, and write the report.

    Args:
        file: the YAML file of the search, or the name of one that ships with the package.
        out: its folder; finished trials in it are kept.
        choices: models, arms, data sets, and number of trials.
        launch: where the trials are made, and how many at a time.

    Returns:
        The exit status: 0, or 3 if trials failed.

    Raises:
        UserError: the search has an error, Optuna is not installed, or another process works in the folder.
    """
    console = Console()
    require_optuna()
    if choices.trials is not None:
        whole_number("--trials", choices.trials)
    out = out.absolute()
    if out.is_file() or (out / "study.json").is_file():
        what = "is a file" if out.is_file() else "has a study"
        raise UserError(f"--out {out}: {what}; expected a folder for the search")
    from ocp_dc.study.search.checks import check_search
    from ocp_dc.study.search.local import prepare_journal, report_failures, work_here

    with folder_lock(out, "another `ocp-dc study search`"):
        path, content = load_search(file)
        search = read_search(path, content, choices.data)
        keys = continued_keys(out, search, _keys(search, choices))
        definition, starts, may_differ = check_search(search, keys, out)
        trials = choices.trials or search.options.trials
        folder = SearchFolder(out, search, keys, trials, launch.command, may_differ)
        if launch.dry_run:
            _print_plan(folder, starts, console)
            return 0
        write_folder(folder, content, definition)
        folder = read_folder(out)
        prepare_journal(folder, starts, console)
        start = secrets.token_hex(8)
        if launch.submit is not None:
            from ocp_dc.study.search.jobs import submit_workers

            submit_workers(folder, launch.jobs or 1, launch.threads, start, launch.submit, cpu=launch.cpu)
            return 0
        try:
            work_here(folder, start, launch.machine(), console)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command continues with the trials that are not done") from None
    report_search(out)
    return report_failures(folder, console)


def report_search(out: Path) -> None:
    """Print the best trials of a search, and write the report to its folder.

    Raises:
        UserError: the folder has no search, or Optuna is not installed.
    """
    require_optuna()
    from ocp_dc.study.search.report import print_report, write_report

    folder = read_folder(out)
    written = write_report(folder)
    print_report(folder, Console())
    print(f"written to {out}: {', '.join(path.relative_to(out).as_posix() for path in written)}")


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UserError(INSTALL)


def _keys(search: Search, choices: SearchChoices) -> tuple[tuple[str, str], ...]:
    arms = [arm.name for arm in search.study.arms]
    for option, chosen, known in (
        ("model in --models", choices.models, list(search.study.models)),
        ("arm in --arms", choices.arms, arms),
    ):
        for name in chosen:
            if name not in known:
                raise unknown_name(option, name, known)
    models = [name for name in search.study.models if not choices.models or name in choices.models]
    return tuple((model, arm) for model in models for arm in arms if not choices.arms or arm in choices.arms)


def _print_plan(folder: SearchFolder, starts: dict[Any, Any], console: Console) -> None:
    search = folder.search
    print_line = lambda text: console.print(text, soft_wrap=True, markup=False, highlight=False)  # noqa: E731
    for key in folder.keys:
        print_line(f"{key[0]}, {key[1]}: {folder.trials} trials; {len(search.spaces[key[1]])} keys")
        for name, values in search.spaces[key[1]].items():
            start = starts[key].get(name)
            print_line(f"  {name}: {values.describe()}" + ("" if start is None else f"; starts with {start}"))
    print_line(f"budget of a whole run: {search.budget}; data: {', '.join(search.data)}")
    for number, rung in enumerate(search.rungs, start=1):
        seeds = ", ".join(map(str, rung.seeds))
        print_line(f"rung {number}: {rung.share:.0%} of the budget, seeds {seeds}, on each data set")
