"""The runner of a job. Spawned ranks and Slurm jobs unpickle it; importing this module installs the hooks."""

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
from ocp_dc.fairchem1.train.terminal_records import HIDDEN, SHOWN
from ocp_dc.training.output import inherited_output, job_rank
from ocp_dc.training.subnormals import flushed_subnormals

_StockRunner = _cli.Runner


class Runner(_StockRunner):  # type: ignore[misc, valid-type]
    """fairchem's runner, in a module whose import installs the hooks."""

    submitted: dict[str, Any]

    def __call__(self, config: dict[str, Any]) -> None:
        """Run one resolved configuration in this process."""
        self.submitted = config
        if (parent := multiprocessing.parent_process()) is not None:  # a rank: the parent holds the folder's lock
            end_with_parent(parent.pid or os.getppid())  # the parent may be dead already
        # the user's own config may name any module; a checkpoint may then name the same ones
        trusted = [*(config.get("trust_modules") or ()), *trust.modules_of(config)]
        locked = job_folder(config) if config.get("submit") else contextlib.nullcontext()
        local = with_local_rank(config)
        output = inherited_output(HIDDEN, SHOWN, job_rank())
        with (
            flushed_subnormals(),
            output,
            locked,
            trust.trusting(trusted),
            resume_with.resumed_config(local) as resumed,
        ):
            super().__call__(resumed)

    def checkpoint(self, *args: Any, **kwargs: Any) -> DelayedSubmission:
        """Return the job that resumes the run after a preemption; submitit calls this in a signal handler.

        Fairchem would save a checkpoint here, possibly in the middle of a step or with averaged weights in the model.
        The trainer ``dc`` has a checkpoint of a whole step already, from which the job resumes under the same name.
        """
        if not is_ours(self.trainer):
            return super().checkpoint(*args, **kwargs)
        config = {**self.submitted, "timestamp_id": self.trainer.timestamp_id}
        if Path(self.task.chkpt_path).is_file():
            config["checkpoint"] = str(self.task.chkpt_path)
        return DelayedSubmission(Runner(), config)


def with_local_rank(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of a submitted job with its rank set in the environment, if fairchem cannot set it.

    Fairchem supports Slurm with GPUs. Under Slurm with --cpu it requires NCCL and a CUDA device; without Slurm submitit
    runs the job on this machine, and fairchem finds no rank.
    """
    if not config.get("submit") or ("SLURM_JOB_NODELIST" in os.environ and not config["cpu"]):
        return config
    TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
    return {**config, "submit": False}


def run(config: dict[str, Any]) -> None:
    """Run one resolved configuration in this process."""
    Runner()(config)
