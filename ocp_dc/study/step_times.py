"""Measure the step times of a study's arms once and store them, so that a resumed study keeps its budgets."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from ocp_dc.core.digests import text_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_json, write_json
from ocp_dc.study.engines.engine import Config, Engine


@dataclasses.dataclass(frozen=True)
class Resources:
    """What each run gets of a machine, so that its steps are measured with as much.

    Args:
        threads: its threads.
        gpu: whether it uses a GPU.
        elsewhere: whether it is a job of a cluster, on another machine than this one.
    """

    threads: int = 1
    gpu: bool = False
    elsewhere: bool = False

    def __str__(self) -> str:
        """Return the device in words."""
        return "a GPU" if self.gpu else f"{self.threads} thread{'s' * (self.threads > 1)}"


def cached_step_times(
    engine: Engine, configs: Mapping[str, Config], path: Path, resources: Resources
) -> dict[str, float]:
    """Return the seconds per training step by arm, from ``path`` if it has the times of all of them.

    Args:
        engine: the engine of the study.
        configs: resolved configs by arm, without their epochs.
        path: the JSON file in which the times are stored.
        resources: what each run gets.

    Raises:
        UserError: the file is damaged, or has values other than seconds.
    """
    keys = {arm: f"{_digest(config)} on {resources}" for arm, config in configs.items()}
    kept: dict[str, float] = {}
    if path.is_file() and not is_cut_off(path):
        kept = read_json(path, "remove it to measure again")
        if wrong := [key for key, seconds in kept.items() if not isinstance(seconds, int | float) or seconds <= 0]:
            raise UserError(f"{path}: {wrong[0]}: got {kept[wrong[0]]!r}, expected seconds; remove it to measure again")
    if any(key not in kept for key in keys.values()):
        if resources.elsewhere:
            logging.warning(
                "the times of training steps, which give each arm its epochs, are measured on this machine, and the "
                "jobs may run on a faster or slower one; to measure there, stop this, and start the same command with "
                "--dry-run in a job first"
            )
        # all of them again: times from different days are not comparable
        kept |= {keys[arm]: seconds for arm, seconds in measure(engine, configs, resources).items()}
        write_json(path, kept)
    return {arm: kept[key] for arm, key in keys.items()}


def measure(engine: Engine, configs: Mapping[str, Config], resources: Resources) -> dict[str, float]:
    """Return the seconds per training step of each config, measured in turns with what a run gets."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(resources.threads)
    try:
        return dict(engine.measure_step_times(configs, cpu=not resources.gpu))
    finally:
        torch.set_num_threads(before)


def _digest(config: Config) -> str:
    return text_digest(json.dumps(config, sort_keys=True))[:16]
