"""Workers of a search as jobs of a cluster, by submitit; each takes trials from the shared journal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from submitit.helpers import DelayedSubmission

from ocp_dc.study.cluster import submit_jobs
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.pool import Machine
from ocp_dc.study.search.folder import SearchFolder


class WorkerJob:
    """The function of a job: one worker. It is pickled, so it has only plain attributes."""

    def __init__(self, out: str, start: str, threads: int | None, parallel: bool, cpu: bool) -> None:
        self.out, self.start, self.threads, self.parallel, self.cpu = out, start, threads, parallel, cpu

    def __call__(self) -> str:
        """Make trials until none is left."""
        from ocp_dc.study.search.worker import Worker

        Worker(Path(self.out), self.start, Machine.detect(1, self.threads, self.cpu), self.parallel).work()
        return self.out

    def checkpoint(self) -> DelayedSubmission:
        """Return the job that continues the trial after a preemption; submitit calls this."""
        return DelayedSubmission(WorkerJob(self.out, self.start, self.threads, self.parallel, self.cpu))


def submit_workers(
    folder: SearchFolder, jobs: int, threads: int | None, start: str, settings: Sequence[str], cpu: bool
) -> list[Any]:
    """Submit workers, unless they wait or work already.

    Args:
        folder: the search.
        jobs: the number of workers.
        threads: threads of each run.
        start: a text that names this start of the search.
        settings: parameters of submitit's executor as KEY=VALUE.
        cpu: use the CPU even if there is a GPU.
    """
    job = WorkerJob(str(folder.out), start, threads, jobs > 1, cpu)
    places = {RunFolder(folder.out / "workers" / str(number)): job for number in range(jobs)}
    return submit_jobs(places, folder.out / "jobs", settings, cpu)
