"""How a study or a search is started, as chosen on the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ocp_dc.core.numbers import whole_number
from ocp_dc.study.pool import Machine
from ocp_dc.study.step_times import Resources


@dataclasses.dataclass(frozen=True)
class Launch:
    """Where the runs are made, and how many at a time.

    Args:
        command: the command line, for the report.
        jobs: number of runs or trials at a time on this machine; of a search that is submitted, the number of its jobs.
        threads: threads of each run.
        cpu: use the CPU even if there is a GPU.
        dry_run: check and list everything without starting any run.
        submit: parameters of the queue as KEY=VALUE, to submit jobs instead of running here.

    Raises:
        UserError: a number is not a whole one, at least 1, or a parameter does not have the form KEY=VALUE.
    """

    command: str
    jobs: int | None = None
    threads: int | None = None
    cpu: bool = False
    dry_run: bool = False
    submit: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, value in (("--jobs", self.jobs), ("--threads", self.threads)):
            if value is not None:
                whole_number(name, value)
        if self.submit is not None:
            from ocp_dc.study.cluster import parse_settings

            parse_settings(self.submit)  # find errors before writing anything

    def machine(self) -> Machine:
        """Return the resources of this machine."""
        return Machine.detect(self.jobs, self.threads, self.cpu)

    def resources(self) -> Resources:
        """Return what each run gets of this machine, or of that of its job."""
        if self.submit is None:
            return self.machine().share()
        from ocp_dc.study.cluster import job_cores, parse_settings

        settings = parse_settings(self.submit)
        elsewhere = not self.dry_run and settings.get("cluster") != "local"
        return Resources(self.threads or job_cores(settings), not self.cpu, elsewhere)
