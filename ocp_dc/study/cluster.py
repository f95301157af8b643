"""Runs as jobs of a cluster, by submitit: one job for each run, requeued after a preemption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit
import torch
from submitit.helpers import DelayedSubmission

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_json
from ocp_dc.core.temporary import is_alive
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.worker import note_failure, work

WAITING = ("PENDING", "RUNNING", "REQUEUED", "CONFIGURING", "COMPLETING", "SUSPENDED", "UNKNOWN")
DEFAULTS = {"name": "ocp-dc-study", "timeout_min": 24 * 60, "cpus_per_task": 4}


class Job:
    """The function of a job: one run. It is pickled, so it has only plain attributes."""

    def __init__(self, folder: str, threads: int, cpu: bool) -> None:
        self.folder = folder
        self.threads = threads
        self.cpu = cpu

    def __call__(self) -> str:
        """Train; a failure is recorded in the folder of the run, as for a run on this machine."""
        torch.set_num_threads(self.threads)
        try:
            work(Path(self.folder), self.cpu)
        except Exception as error:
            note_failure(Path(self.folder), error)
            raise
        return self.folder

    def checkpoint(self) -> DelayedSubmission:
        """Return the job that resumes the run after a preemption; submitit calls this."""
        return DelayedSubmission(Job(self.folder, self.threads, self.cpu))


def submit_all(
    folders: Sequence[RunFolder], jobs: Path, settings: Sequence[str], threads: int, cpu: bool
) -> list[submitit.Job]:
    """Submit a job for each run without a job in the queue.

    Args:
        folders: the runs.
        jobs: folder for submitit's files.
        settings: parameters of submitit's executor as KEY=VALUE, such as ``slurm_partition=gpu``;
            ``cluster=local`` runs the jobs on this machine.
        threads: threads of each run.
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: submitit does not know a parameter, or this machine has no Slurm.
    """
    return submit_jobs({folder: Job(str(folder.path), threads, cpu) for folder in folders}, jobs, settings, cpu)


def submit_jobs(
    functions: Mapping[RunFolder, Callable[[], str]], jobs: Path, settings: Sequence[str], cpu: bool
) -> list[submitit.Job]:
    """Submit a job for each folder without a job in the queue; ``job.json`` there names it.

    Args:
        functions: what each job does, by its folder.
        jobs: folder for submitit's files.
        settings: as of :func:`submit_all`.
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: submitit does not know a parameter, or this machine has no Slurm.
    """
    parameters: dict[str, Any] = {**DEFAULTS, **({} if cpu else {"gpus_per_node": 1}), **parse_settings(settings)}
    cluster = parameters.pop("cluster", "slurm")
    try:
        executor = submitit.AutoExecutor(folder=str(jobs), cluster=cluster)
        executor.update_parameters(**parameters)
    except (RuntimeError, NameError, TypeError, AssertionError, ValueError) as error:
        raise UserError(f"--submit: {error}; for jobs on this machine give --submit cluster=local") from error
    waiting = [folder for folder in functions if not _in_queue(folder, jobs, cluster)]
    submitted: list[submitit.Job] = []
    if waiting:
        with executor.batch():
            submitted = [executor.submit(functions[folder]) for folder in waiting]
    for folder, job in zip(waiting, submitted, strict=True):
        write_json(folder.path / "job.json", {"id": job.job_id, "cluster": cluster})
    print(f"{len(submitted)} jobs submitted, {len(functions) - len(waiting)} in the queue before; files in {jobs}")
    return submitted


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return parameters of the queue from texts such as ``slurm_partition=gpu``.

    Raises:
        UserError: a text does not have the form KEY=VALUE.
    """
    parameters: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UserError(f"--submit: got {setting!r}, expected KEY=VALUE such as slurm_partition=gpu")
        parameters[key] = int(value) if value.isdigit() else value
    return parameters


def job_cores(settings: Mapping[str, Any]) -> int:
    """Return the cores of a job with these parameters of the queue."""
    cores = settings.get("slurm_cpus_per_task", settings.get("cpus_per_task", DEFAULTS["cpus_per_task"]))
    return cores if isinstance(cores, int) else 1


def _in_queue(folder: RunFolder, jobs: Path, cluster: str) -> bool:
    """Return whether a job of the run waits or runs; one that ended without a result is submitted again."""
    job = folder.read("job.json")
    if job is None or job["cluster"] != cluster:
        return False
    if cluster == "local":  # submitit knows only jobs of this process; the id is a process number
        return is_alive(int(job["id"]))
    return str(submitit.SlurmJob(folder=str(jobs), job_id=job["id"]).state).upper() in WAITING
