"""``ocp-dc study search``: check a search, make its trials, and report the best ones."""

from __future__ import annotations

import dataclasses
import importlib.util
import secrets
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ocp_dc.core.digests import content_digest
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.numbers import whole_number
from ocp_dc.study.deltas import short
from ocp_dc.study.pool import POLL, Machine, start_process, stopping
from ocp_dc.study.search.folder import SearchFolder, read_folder, write_folder
from ocp_dc.study.search.spec import Search, load_search, read_search

INSTALL = "Optuna is not installed, which a search needs: pip install 'ocp_dc[search]'"
PATIENCE = 90.0  # seconds for a worker to end, which waits for its run to save
LEFTOVER = 5.0  # seconds for workers of a killed search to notice


@dataclasses.dataclass(frozen=True)
class SearchChoices:
    """The parts of a search selected on the command line: models and arms, all by default; data sets; the trials."""

    models: Sequence[str] = ()
    arms: Sequence[str] = ()
    data: Sequence[str] = ()
    trials: int | None = None


def run_search(
    file: str | Path,
    out: Path,
    choices: SearchChoices,
    *,
    command: str,
    jobs: int | None = None,
    threads: int | None = None,
    cpu: bool = False,
    dry_run: bool = False,
    submit: Sequence[str] | None = None,
) -> int:
    """Check a search, make the trials that are left, and write the report.

    Args:
        file: the YAML file of the search, or the name of one that ships with the package.
        out: its folder; finished trials in it are kept.
        choices: models, arms, data sets, and number of trials.
        command: the command line, for the report.
        jobs: number of trials at a time on this machine, or number of jobs to submit.
        threads: threads of each run.
        cpu: use the CPU even if there is a GPU.
        dry_run: check and list the search without starting any trial.
        submit: parameters of the queue as KEY=VALUE, to submit jobs instead of running here.

    Returns:
        The exit status: 0, or 3 if trials failed.

    Raises:
        UserError: the search has an error, Optuna is not installed, or another process works in the folder.
    """
    console = Console()
    require_optuna()
    for name, value in (("--jobs", jobs), ("--threads", threads), ("--trials", choices.trials)):
        if value is not None:
            whole_number(name, value)
    if submit is not None:
        from ocp_dc.study.cluster import parse_settings

        parse_settings(submit)  # find errors before writing anything
    out = out.absolute()
    if out.is_file() or (out / "study.json").is_file():
        what = "is a file" if out.is_file() else "has a study"
        raise UserError(f"--out {out}: {what}; expected a folder for the search")
    with folder_lock(out, "another `ocp-dc study search`"):
        path, content = load_search(file)
        search = read_search(path, content, choices.data)
        keys = _keys(search, choices)
        definition, starts, may_differ = _check(search, keys, out)
        trials = choices.trials or search.options.trials
        folder = SearchFolder(out, search, keys, trials, command, may_differ)
        if dry_run:
            _print_plan(folder, starts, console)
            return 0
        write_folder(folder, content, list(choices.data), definition)
        folder = read_folder(out)
        _prepare_journal(folder, starts, console)
        start = secrets.token_hex(8)
        if submit is not None:
            from ocp_dc.study.search.jobs import submit_workers

            submit_workers(folder, jobs or 1, threads, start, submit, cpu=cpu)
            return 0
        try:
            _work_here(folder, start, Machine.detect(jobs, threads, cpu), console)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the same command continues with the trials that are not done") from None
    report_search(out)
    return _failures(folder, console)


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


def _check(
    search: Search, keys: Sequence[tuple[str, str]], out: Path
) -> tuple[dict[str, Any], dict[Any, Any], tuple[str, ...]]:
    """Check every arm, and each value of its space by itself.

    Returns:
        Everything on which trials depend, by name; the start of each model and arm; and ``gradients`` if the forces of
        a model's arms are derived in different ways.
    """
    from ocp_dc.study.search.runs import TrialRuns
    from ocp_dc.study.search.space import start_of

    options, runs = search.options, TrialRuns(search, out)
    definition: dict[str, Any] = {
        "objective": list(search.weights or ()),
        "keep": options.keep,
        "seed": options.seed,
        "rungs": [dataclasses.asdict(rung) for rung in search.rungs],
        "budget": str(search.budget),
        "data": list(search.data),
    }
    starts: dict[Any, Any] = {}
    gradients: dict[str, set[str]] = {}
    for key in keys:
        model, arm = key
        space = search.spaces[arm]
        definition[f"space of {arm}"] = {name: short(dataclasses.asdict(values)) for name, values in space.items()}
        for data in search.data:
            case = runs.case(key, data)
            gradients.setdefault(model, set()).add(case.facts.gradients)
            definition[f"config of {model}, arm {arm}, on {data}"] = content_digest(
                {"identity": runs.engine.identity(case.config, None)}
            )
        starts[key] = start_of(space, case.config)
        for name, values in space.items():
            for value in values.extremes():
                runs.case(key, next(iter(search.data)), {name: value})
    return definition, starts, ("gradients",) if any(len(each) > 1 for each in gradients.values()) else ()


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


def _prepare_journal(folder: SearchFolder, starts: dict[Any, Any], console: Console) -> None:
    """Create the studies, with the values of each arm's own config as the first trial."""
    from ocp_dc.study.search.journal import FILE, Journal
    from ocp_dc.study.search.worker import trial_lock

    mend_journal(folder.out / FILE)
    journal = Journal(folder.out, folder.search.options.seed)
    for key, start in starts.items():
        journal.create(key, folder.search.goals, start)
        missing = [name for name in folder.search.spaces[key[1]] if name not in start]
        if missing and not journal.trials(key):
            console.print(
                f"{key[0]}, {key[1]}: its own config has no value in the space for {', '.join(missing)}; the first "
                "trial chooses it",
                soft_wrap=True,
                markup=False,
                highlight=False,
            )
    from ocp_dc.study.search.record import read_trials

    for key, records in read_trials(folder).items():  # workers of a killed search end within seconds
        for record in records:
            if not record.is_over:
                try:
                    with trial_lock(folder.out, key, record.number, LEFTOVER):
                        pass
                except UserError:
                    pass  # a submitted job has it


def mend_journal(path: Path) -> None:
    """Remove the end of a journal that a full disk or a power cut left without a line end."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _work_here(folder: SearchFolder, start: str, machine: Machine, console: Console) -> None:
    """Start workers, and print a line for each trial that ends."""
    from ocp_dc.study.search.record import read_trials

    total = folder.trials * len(folder.keys)
    over = {
        (r.key, r.number)
        for records in read_trials(folder).values()
        for r in records
        if r.state not in ("running", "failed")
    }
    jobs = min(machine.jobs, max(1, total - len(over)))
    console.print(f"{total} trials, {len(over)} done before; {jobs} at a time, {machine.threads} threads each")
    if len(over) == total:
        return
    (folder.out / "workers").mkdir(exist_ok=True)
    command = ["ocp_dc.study.search.worker", str(folder.out), "--start", start, "--threads", str(machine.threads)]
    command += ["--parallel"] if jobs > 1 else []
    workers: dict[int, subprocess.Popen] = {}
    shown = 0.0
    with stopping(workers, PATIENCE):
        for slot in range(jobs):
            workers[slot] = start_process(command, machine, slot, folder.out / "workers" / f"{slot}.txt")
        while True:
            alive = any(process.poll() is None for process in workers.values())
            if not alive or time.monotonic() - shown > 1.0:
                shown = time.monotonic()
                for records in read_trials(folder).values():
                    for record in records:
                        failed_before = (
                            record.state == "failed" and record.frozen.user_attrs["failure"]["start"] != start
                        )
                        if record.is_over and not failed_before and (record.key, record.number) not in over:
                            over.add((record.key, record.number))
                            count = f"[{len(over)}/{total}]"
                            text = f"{count} {' '.join(record.key)} trial {record.number}: {record.describe()}"
                            console.print(Text(text), soft_wrap=True)
            if not alive:
                break
            time.sleep(POLL)


def _failures(folder: SearchFolder, console: Console) -> int:
    from ocp_dc.study.search.record import read_trials

    failed = 0
    for key, records in read_trials(folder).items():
        for record in records:
            if record.state in ("failed", "running"):
                failed += 1
                why = record.message or f"its process ended; see {folder.out / 'workers'}"
                console.print(
                    f"failed: {' '.join(key)} trial {record.number}: {why}", style="red", soft_wrap=True, markup=False
                )
        if len(records) < folder.trials:
            failed += 1
            left = folder.trials - len(records)
            text = (
                f"not started: {left} trials of {' '.join(key)}: the workers ended early; see {folder.out / 'workers'}"
            )
            console.print(text, style="red", soft_wrap=True, markup=False)
    if not failed:
        return 0
    console.print("the same command repeats the failed trials", style="red")
    return 3
