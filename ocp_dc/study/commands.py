"""``ocp-dc study``: plan, run and report a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_record
from ocp_dc.core.locks import folder_lock
from ocp_dc.study.deltas import short
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.launch import Launch
from ocp_dc.study.live import View
from ocp_dc.study.plan import Choices, Plan, make_plan
from ocp_dc.study.planned_runs import Run, write_run
from ocp_dc.study.pool import Machine, run_all
from ocp_dc.study.run_warnings import run_warnings
from ocp_dc.study.search.commands import report_search
from ocp_dc.study.search.folder import is_search
from ocp_dc.study.spec import ArmSpec, read_study


def run_study(study: str | Path, out: Path, choices: Choices, launch: Launch) -> int:
    """Plan a study, make the runs that have no result yet, and write the report.

    Args:
        study: the YAML file of the study, or the name of a study that ships with the package.
        out: its folder; finished runs in it are kept.
        choices: budget, data sets, models, arms and seeds.
        launch: where the runs are made, and how many at a time.

    Returns:
        The exit status: 0, or 3 if runs failed.

    Raises:
        UserError: the study has an error, or another process works in the folder.
    """
    console = Console()
    out = out.absolute()
    if out.is_file():
        raise UserError(f"--out {out}: is a file; expected a folder for the study")
    if is_search(out):
        raise UserError(f"--out {out}: has a search; expected another folder for the study")
    with folder_lock(out, "another `ocp-dc study run`"):
        plan = make_plan(read_study(study), out, choices, launch.resources())
        folders = {run.id: RunFolder(out / "runs" / run.id) for run in plan.runs}
        for text in run_warnings(plan.engine, plan.runs):
            console.print(f"warning: {text}", style="yellow", soft_wrap=True, markup=False, highlight=False)
        if launch.dry_run:
            console.print(_run_table(plan, folders))
            return 0
        _write_study(plan, out, folders, launch.command)
        waiting = [run for run in plan.runs if folders[run.id].read("result.json") is None]
        if launch.submit is not None:
            from ocp_dc.study.cluster import submit_all

            threads = launch.resources().threads
            submit_all([folders[run.id] for run in waiting], out / "jobs", launch.submit, threads, cpu=launch.cpu)
            return 0
        _run_here(plan, waiting, folders, launch.machine(), console)
    report_study(out)
    return _failures(plan, folders, console)


def report_study(out: Path) -> None:
    """Print the report of a study or a search, and write it to its folder.

    Raises:
        UserError: the folder has neither.
    """
    if is_search(out):
        report_search(out)
        return
    from ocp_dc.study.report import print_report, write_report
    from ocp_dc.study.results import read_results

    results = read_results(out)
    print_report(results)
    written = write_report(results, out)
    print(f"written to {out}: {', '.join(sorted(path.name for path in written if path.parent == out))}, plots")


def _run_here(
    plan: Plan, waiting: list[Run], folders: Mapping[str, RunFolder], machine: Machine, console: Console
) -> None:
    lengths = {run.id: plan.engine.length(run.config) for run in waiting}
    total = len(plan.runs)
    console.print(
        f"{total} runs, {total - len(waiting)} done before; {machine.jobs} at a time, {machine.threads} threads each"
    )
    try:
        with View(plan.engine, lengths, total - len(waiting), console) as view:
            run_all([folders[run.id] for run in waiting], machine, view)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues with the runs that are not done") from None


def _write_study(plan: Plan, out: Path, folders: Mapping[str, RunFolder], command: str) -> None:
    """Write the description of the study, and every run whose folder is missing or differs from the plan."""
    for run in plan.runs:
        write_run(run, folders[run.id], plan.study.options.engine, plan.engine.host)
    options = plan.study.options
    axes = options.axes or {}
    study = {
        "engine": options.engine,
        "host": plan.engine.host,
        "title": options.title or plan.study.path.stem,
        "question": options.question,
        "baseline": plan.study.baseline,
        "arms": {arm.name: _describe_arm(arm) for arm in plan.study.arms},
        "levels": {arm.name: dict(arm.values) for arm in plan.study.arms if arm.values.keys() == axes.keys()},
        "models": list(dict.fromkeys(run.model for run in plan.runs)),
        "data": {name: _describe_data(plan, name) for name in plan.data},
        "seeds": list(plan.seeds),
        "budget": str(plan.budget),
        "warnings": run_warnings(plan.engine, plan.runs),
        "command": command,
        "runs": [run.id for run in plan.runs],
    }
    write_record(out / "study.json", study)


def _describe_arm(arm: ArmSpec) -> str:
    parts = [f"{key}: {short(value)}" for _, changes in arm.changes for key, value in changes.items()]
    parts += [f"{model}: {short(changes)}" for model, changes in arm.by_model.items()]
    return "; ".join([*([f"base: {arm.base}"] if arm.base else []), *parts]) or "no changes"


def _describe_data(plan: Plan, name: str) -> str:
    run = next(run for run in plan.runs if run.data == name)
    return plan.engine.describe_data(run.config, run.test)


def _run_table(plan: Plan, folders: Mapping[str, RunFolder]) -> Table:
    table = Table(title=f"{escape(plan.study.options.title)}: {len(plan.runs)} runs, {plan.budget} each")
    for heading in ("model", "data", "arm", "seed", plan.engine.x, "state"):
        table.add_column(heading)
    for run in plan.runs:
        result = folders[run.id].read("result.json")
        state = "to do" if result is None else result["status"]
        cells = (run.model, run.data, run.arm, str(run.seed), str(plan.engine.length(run.config)), state)
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _failures(plan: Plan, folders: Mapping[str, RunFolder], console: Console) -> int:
    failed = {}
    for run in plan.runs:
        folder = folders[run.id]
        if (failure := folder.read("failure.json")) is not None:
            failed[run.id] = failure["message"]
        elif folder.read("result.json") is None:  # for example because its disk was full
            failed[run.id] = f"it ended without a result; see {folder.path / 'log.txt'}"
    for name, why in failed.items():
        console.print(f"failed: {name}: {why}", style="red", soft_wrap=True, markup=False)
    if not failed:
        return 0
    console.print("the same command repeats the failed runs", style="red")
    return 3
