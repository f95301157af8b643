"""Make trials of a search, one after the other: ``python -m ocp_dc.study.search.worker OUT``.

Several workers, also on several machines, take trials from the same journal. A trial is locked while a worker has it;
if the worker is killed, the next one continues the trial.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from optuna.trial import TrialState

from ocp_dc.core.errors import UserError
from ocp_dc.core.failures import message
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.orphans import end_with_parent
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.planned_runs import Run, write_run
from ocp_dc.study.pool import Machine, run_all
from ocp_dc.study.run_warnings import run_warnings
from ocp_dc.study.search.folder import SearchFolder, read_folder
from ocp_dc.study.search.journal import FAILURE, MESSAGE, SECONDS, Journal, Key, rung_attribute
from ocp_dc.study.search.runs import TrialRuns
from ocp_dc.study.search.scores import KEYS, goes_on, mean_logs, score
from ocp_dc.study.worker import FAILED


class Worker:
    """A worker.

    Args:
        out: the folder of the search.
        start: a text that names this start of the search; a trial that failed in it is not tried again.
        machine: the resources for a run.
        parallel: whether there are other workers.
    """

    def __init__(self, out: Path, start: str, machine: Machine, parallel: bool) -> None:
        self.folder: SearchFolder = read_folder(out)
        self.search = self.folder.search
        self.journal = Journal(out, self.search.options.seed, parallel)
        self.runs = TrialRuns(self.search, out, machine.share())
        self.start, self.machine = start, machine

    def work(self) -> None:
        """Make trials until none is left for this worker; a trial that fails is noted, and others are made."""
        while True:
            with self._take() as taken:
                if taken is None:
                    return
                self._work_on(*taken)

    @contextlib.contextmanager
    def _take(self) -> Iterator[tuple[Key, int] | None]:
        """Lock a trial, and yield its model and arm, and its number; None if none is left."""
        while True:
            unfinished = self._unfinished()
            for key, number in unfinished:
                with contextlib.ExitStack() as stack:
                    try:
                        stack.enter_context(trial_lock(self.folder.out, key, number))
                    except UserError:  # another worker has it
                        continue
                    if (key, number) in self._unfinished():  # and did not end it meanwhile
                        yield key, number
                        return
            started = {key: len(self.journal.trials(key)) for key in self.folder.keys}
            key = min(started, key=lambda each: started[each])
            if started[key] >= self.folder.trials:
                yield None
                return
            self.journal.new_trial(key)

    def _unfinished(self) -> list[tuple[Key, int]]:
        """Return the trials that wait to be continued, or that another worker has."""
        return sorted(
            (
                (key, trial.number)
                for key in self.folder.keys
                for trial in self.journal.trials(key)[: self.folder.trials]  # two workers may start one too many
                if trial.state == TrialState.RUNNING and trial.user_attrs.get(FAILURE, {}).get("start") != self.start
            ),
            key=lambda each: each[1],
        )

    def _work_on(self, key: Key, number: int) -> None:
        begin = time.monotonic()
        try:
            values, reason = self._make_trial(key, number)
        except Exception as error:
            traceback.print_exc()  # into the log of the worker
            text = message(error) or f"{type(error).__name__}: {error}"
            self.journal.note(key, number, **{FAILURE: {"start": self.start, "message": text}})
            return
        finally:
            before = self.journal.trials(key)[number].user_attrs.get(SECONDS, 0.0)
            self.journal.note(key, number, **{SECONDS: before + time.monotonic() - begin})
        self.journal.note(key, number, **{MESSAGE: reason})
        self.journal.finish(key, number, values)

    def _make_trial(self, key: Key, number: int) -> tuple[list[float] | None, str]:
        """Make the rungs of a trial; return its values, or None if it ended early, and the reason and warnings."""
        changes = self.journal.choose(key, number, self.search.spaces[key[1]])
        weights = self.search.weights
        values: list[float] = []
        warnings: dict[str, None] = {}
        for rung, options in enumerate(self.search.rungs):
            errors: dict[str, list[dict[str, float]]] = {}
            runs = self.runs.runs(key, changes, options)
            warnings |= dict.fromkeys(run_warnings(self.runs.engine, runs))
            for run in runs:
                result = self._finish(run)
                if result["status"] == "diverged":
                    self.journal.report(key, number, rung, float("inf"), {})
                    return None, f"{run.data}, seed {run.seed}: {result['message']}"
                errors.setdefault(run.data, []).append({name: result["validation"][name] for name in KEYS})
            every = [each for found in errors.values() for each in found]
            values = list(mean_logs(every)) if weights is None else [score(every, weights)]
            means = {
                data: {name: sum(e[name] for e in found) / len(found) for name in KEYS}
                for data, found in errors.items()
            }
            self.journal.report(key, number, rung, values[0], means)
            last = rung == len(self.search.rungs) - 1
            if (
                not last
                and number > 0
                and not goes_on(values[0], self._others(key, number, rung), self.search.options.keep)
            ):
                return None, "; ".join((f"pruned after rung {rung + 1} of {len(self.search.rungs)}", *warnings))
        return values, "; ".join(warnings)

    def _others(self, key: Key, number: int, rung: int) -> list[float]:
        """Return the scores of the other trials at a rung."""
        trials = [trial for trial in self.journal.trials(key) if trial.number != number]
        found = [trial.intermediate_values[rung] for trial in trials if rung_attribute(rung) in trial.user_attrs]
        return [float("inf") if value != value else value for value in found]

    def _finish(self, run: Run) -> dict:
        """Make a run, unless it was made before, and return its result."""
        folder = RunFolder(self.folder.out / "runs" / run.id)
        write_run(run, folder, self.search.options.engine, self.runs.engine.host)
        if folder.read("result.json") is None:
            run_all([folder], self.machine)
        result = folder.read("result.json")
        if result is None:
            failure = folder.read("failure.json")
            raise UserError(f"{run.id}: {failure['message'] if failure else 'no result; see its log.txt'}")
        return result


def trial_lock(out: Path, key: Key, number: int, patience: float = 0.0) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of a trial."""
    return folder_lock(out / "trials" / f"{'-'.join(key)}-{number}", "another worker", patience)


def main(arguments: list[str] | None = None) -> int:
    """Run the process; return its exit status: 0, 3 after an unexpected error, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--start", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--parallel", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--parent", type=int, required=True, help="end with this process")
    args = parser.parse_args(arguments)
    end_with_parent(args.parent)
    try:
        Worker(args.out, args.start, Machine.detect(1, args.threads, args.cpu), args.parallel).work()
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc()
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
