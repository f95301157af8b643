"""The command line and the config of a run of fairchem 2 that goes on for more epochs."""

from __future__ import annotations

import math
from pathlib import Path

from fairchem.core.components.train.train_runner import get_most_recent_viable_checkpoint_path
from omegaconf import DictConfig, OmegaConf

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_text
from ocp_dc.fairchem2.train.callback import RunCallback
from ocp_dc.fairchem2.train.run_progress import FILE
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.run_files import RunFiles
from ocp_dc.training.safe_torch import load_torch
from ocp_dc.training.validation_log import EPOCH, read_columns

CALLBACK = f"{RunCallback.__module__}.{RunCallback.__qualname__}"


def extension_arguments(run: RunFiles, extended: RunFiles, epochs: int, peak: float, cpu: bool) -> list[str]:
    """Write the config of the extended run, and return the arguments of ``main``.

    See :meth:`ocp_dc.hosts.Host.extension_arguments`.
    """
    last = last_checkpoint(run)
    if last is None:
        raise UserError(f"{run.name}: has no complete checkpoint in {run.state}; only a finished run is extended")
    config = OmegaConf.load(last / "resume.yaml")
    assert isinstance(config, DictConfig)
    callback = next((each for each in config.runner.callbacks or () if each.get("_target_") == CALLBACK), None)
    if callback is None:
        raise UserError(f"{run.config}: has no callback {CALLBACK}, which extends a run; see fairchem2/_base.yaml")
    done, planned = float(read_columns(run.validation)[EPOCH][-1]), config.runner.max_epochs
    if planned is not None and done < planned and not _stopped_early(last, callback):
        raise UserError(
            f"{run.name}: has {done:g} of its {planned} epochs; only a finished run is extended. The command that "
            "started it finishes it"
        )
    config.runner.max_epochs = math.ceil(done) + epochs
    callback.extension = {"after": done, "peak": peak}
    config.job.run_dir, config.job.timestamp_id = str(extended.out), extended.name
    config.job.runner_state_path = str(last_checkpoint(extended) or last)
    if cpu:
        config.job.device_type = "CPU"
    path = extended.folder / "extension.yaml"
    write_text(path, OmegaConf.to_yaml(config))
    return ["-c", str(path)]


def last_checkpoint(run: RunFiles) -> Path | None:
    """Return the folder of the last complete checkpoint of a run; None without one."""
    found = get_most_recent_viable_checkpoint_path(str(run.state)) if run.state.is_dir() else None
    return None if found is None else Path(found)


def _stopped_early(checkpoint: Path, callback: DictConfig) -> bool:
    stopping = EarlyStopping(callback.get("patience"), callback.get("min_delta", 0.0))
    if (checkpoint / FILE).is_file():
        stopping.load_state_dict(load_torch(checkpoint / FILE, "progress")["early_stopping"])
    return stopping.stops
