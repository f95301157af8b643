"""The runner of a job, as spawned ranks and Slurm jobs unpickle it: importing this module installs the hooks first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fairchem.core import _cli
from submitit.helpers import DelayedSubmission

from ocp_dc.fairchem1.subnormals import flushed_subnormals

_StockRunner = _cli.Runner


class Runner(_StockRunner):  # type: ignore[misc, valid-type]
    """fairchem's runner under a module path whose import puts the hooks in force."""

    def __call__(self, config: dict[str, Any]) -> None:
        """Run one resolved configuration in this process."""
        with flushed_subnormals():
            super().__call__(config)

    def checkpoint(self, *args: Any, **kwargs: Any) -> DelayedSubmission:
        """Return the job that goes on after a preemption; submitit calls this from a signal, at any moment.

        Fairchem saves then, possibly in the middle of a step or with averaged weights in the model. The trainer ``dc``
        has a checkpoint of a whole step already, and the job goes on from that one under its own name.
        """
        if not hasattr(self.trainer, "set_label_rescaling"):
            return super().checkpoint(*args, **kwargs)
        if Path(self.task.chkpt_path).is_file():
            self.config["checkpoint"] = str(self.task.chkpt_path)
        self.config["timestamp_id"] = self.trainer.timestamp_id
        return DelayedSubmission(Runner(), self.config)


def run(config: dict[str, Any]) -> None:
    """Run one resolved configuration in this process."""
    Runner()(config)
