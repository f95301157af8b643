"""Make the trials of a search on this machine: workers in processes, and a line for each trial that ends."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ocp_dc.core.errors import UserError
from ocp_dc.study.pool import POLL, Machine, start_process, stopping
from ocp_dc.study.search.folder import SearchFolder
from ocp_dc.study.search.journal import FAILURE, FILE, Journal, Key
from ocp_dc.study.search.record import read_trials
from ocp_dc.study.search.worker import trial_lock

PATIENCE = 90.0  # seconds for a worker to end, which waits for its run to save
LEFTOVER = 5.0  # seconds for workers of a killed search to notice


def prepare_journal(folder: SearchFolder, starts: dict[Any, Any], console: Console) -> None:
    """Create the studies, with the values of each arm's own config as the first trial."""
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
    for key, records in read_trials(folder).items():  # workers of a killed search end within seconds
        for record in records:
            if not record.is_over:
                with contextlib.suppress(UserError), trial_lock(folder.out, key, record.number, LEFTOVER):
                    pass  # if it stays locked, a submitted job has it


def mend_journal(path: Path) -> None:
    """Remove the end of a journal that a full disk or a power cut left without a line end."""
    if path.is_file() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def work_here(folder: SearchFolder, start: str, machine: Machine, console: Console) -> None:
    """Start workers, and print a line for each trial that ends."""
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
                _print_new(folder, start, over, console)
            if not alive:
                break
            time.sleep(POLL)


def _print_new(folder: SearchFolder, start: str, over: set[tuple[Key, int]], console: Console) -> None:
    """Print the trials that ended since the last call, and add them to those that are over."""
    for record in (record for records in read_trials(folder).values() for record in records):
        failed_before = record.state == "failed" and record.frozen.user_attrs[FAILURE]["start"] != start
        if record.is_over and not failed_before and (record.key, record.number) not in over:
            over.add((record.key, record.number))
            count = f"[{len(over)}/{folder.trials * len(folder.keys)}]"
            text = f"{count} {' '.join(record.key)} trial {record.number}: {record.describe()}"
            console.print(Text(text), soft_wrap=True)


def report_failures(folder: SearchFolder, console: Console) -> int:
    """Print the trials that failed; return the exit status: 0, or 3 if there are any."""
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
