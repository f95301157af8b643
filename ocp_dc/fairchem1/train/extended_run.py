"""The command line of a run of fairchem 1.10 that goes on for more epochs."""

from __future__ import annotations

import math

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.checkpoints import read_checkpoint
from ocp_dc.training.run_files import RunFiles


def extension_arguments(run: RunFiles, extended: RunFiles, epochs: int, peak: float, cpu: bool) -> list[str]:
    """Return the arguments of ``main``; see :meth:`ocp_dc.hosts.Host.extension_arguments`."""
    checkpoint = read_checkpoint(run.state, "cpu")
    optim, done = checkpoint["config"]["optim"], float(checkpoint.get("epoch", 0))
    stopped_early = checkpoint.get("evaluations_since_best", 0) >= optim.get("early_stopping_patience", math.inf)
    if done < optim["max_epochs"] and not stopped_early:
        raise UserError(
            f"{run.name}: has {done:g} of its {optim['max_epochs']} epochs; only a finished run is extended. The "
            "command that started it finishes it"
        )
    flags = ["--mode", "train", "--config-yml", str(run.config), *(["--cpu"] if cpu else [])]
    flags += ["--run-dir", str(extended.out), "--timestamp-id", extended.name]
    flags += ["--seed", str(checkpoint["config"]["cmd"].get("seed") or 0)]
    if not extended.state.is_file():  # else the extended run was interrupted, and resumes
        flags += ["--checkpoint", str(run.state)]
    flags += ["--amp"] if checkpoint["config"].get("amp") else []
    ranks = len(checkpoint.get("random_states") or [None])
    if ranks > 1 and (cpu or torch.cuda.device_count() >= ranks):  # else the resume warns of another number
        flags += ["--num-gpus", str(ranks)]
    settings = {"after": done, "peak": peak}
    return [*flags, f"--optim.max_epochs={math.ceil(done) + epochs}", f"--optim.extension={settings}"]
