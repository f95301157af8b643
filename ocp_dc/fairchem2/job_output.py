"""The output of ranks and jobs that ``ocp-dc main`` starts with fairchem 2.

fairchem passes a function to the ranks that it spawns, and a program to the jobs that it submits, by their names.
Importing this module puts its own in their places, so that the other processes import it and find the choice of
the user in their environment. Without ``ocp-dc main`` they change nothing.
"""

from __future__ import annotations

from typing import Any

from fairchem.core.launchers import slurm_launch
from fairchem.core.launchers.api import RunType

from ocp_dc.fairchem2.terminal_records import HIDDEN, SHOWN
from ocp_dc.training.output import inherited_output, job_rank

_StockProgram = slurm_launch.SlurmSPMDProgram


class Program(_StockProgram):  # type: ignore[misc, valid-type]
    """fairchem's program of a rank, with the output that the user chose."""

    def __call__(self, dict_config: Any, run_type: RunType = RunType.RUN) -> None:
        """Run one rank."""
        with inherited_output(HIDDEN, SHOWN, job_rank()):
            super().__call__(dict_config, run_type)


def run_rank(config: Any, run_type: RunType = RunType.RUN) -> None:
    """Run one rank; a function, since torch's launcher asks for one with a name."""
    Program()(config, run_type)


# also in a job, which submits itself again after a preemption
slurm_launch.SlurmSPMDProgram = Program
slurm_launch.runner_wrapper = run_rank
