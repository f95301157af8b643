"""The runner of a job, as spawned ranks and Slurm jobs unpickle it: importing this module installs the hooks first."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from pathlib import Path
from typing import Any

from fairchem.core import _cli
from submitit.helpers import DelayedSubmission, TorchDistributedEnvironment

from ocp_dc.core.orphans import end_with_parent
from ocp_dc.fairchem1.checks import trust
from ocp_dc.fairchem1.checks.known_keys import is_ours
from ocp_dc.fairchem1.train import resume_with
from ocp_dc.fairchem1.train.run_folder import job_folder
from ocp_dc.training.subnormals import flushed_subnormals

_StockRunner = _cli.Runner


class Runner(_StockRunner):  # type: ignore[misc, valid-type]
    """fairchem's runner under a module path whose import puts the hooks in force."""

    submitted: dict[str, Any]

    def __call__(self, config: dict[str, Any]) -> None:
        """Run one resolved configuration in this process."""
        self.submitted = config
        if (parent := multiprocessing.parent_process()) is not None:  # a rank: the lock of the folder is its parent's
            end_with_parent(parent.pid or os.getppid())  # which may be gone already
        # the config is the user's, and what it names is theirs to run; a checkpoint may name the same
        trusted = [*(config.get("trust_modules") or ()), *trust.modules_of(config)]
        locked = job_folder(config) if config.get("submit") else contextlib.nullcontext()
        here = placed(config)
        with flushed_subnormals(), locked, trust.trusting(trusted), resume_with.settled(here) as settled:
            super().__call__(settled)

    def checkpoint(self, *args: Any, **kwargs: Any) -> DelayedSubmission:
        """Return the job that goes on after a preemption; submitit calls this from a signal, at any moment.

        Fairchem saves then, possibly in the middle of a step or with averaged weights in the model. The trainer ``dc``
        has a checkpoint of a whole step already, and the job goes on from that one under its own name.
        """
        if not is_ours(self.trainer):
            return super().checkpoint(*args, **kwargs)
        config = {**self.submitted, "timestamp_id": self.trainer.timestamp_id}
        if Path(self.task.chkpt_path).is_file():
            config["checkpoint"] = str(self.task.chkpt_path)
        return DelayedSubmission(Runner(), config)


def placed(config: dict[str, Any]) -> dict[str, Any]:
    """Tell a submitted job its rank where fairchem cannot.

    Fairchem knows Slurm with GPUs. Under Slurm with --cpu it asks for NCCL and a CUDA device, and where there is no
    Slurm submitit runs the job on this machine, where fairchem finds no rank at all.
    """
    if not config.get("submit") or ("SLURM_JOB_NODELIST" in os.environ and not config["cpu"]):
        return config
    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    return {**config, "submit": False}


def run(config: dict[str, Any]) -> None:
    """Run one resolved configuration in this process."""
    Runner()(config)
