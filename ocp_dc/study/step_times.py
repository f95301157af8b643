"""Measure the step times of a study's arms once and store them, so that a resumed study keeps its budgets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ocp_dc.core.digests import text_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_json, write_json
from ocp_dc.study.engines.engine import Config, Engine


def cached_step_times(engine: Engine, configs: Mapping[str, Config], path: Path) -> dict[str, float]:
    """Return the seconds per training step by arm, from ``path`` if it has the times of all of them.

    Args:
        engine: the engine of the study.
        configs: resolved configs by arm, without their epochs.
        path: the JSON file in which the times are stored.

    Raises:
        UserError: the file is damaged, or has values other than seconds.
    """
    keys = {arm: _digest(config) for arm, config in configs.items()}
    kept: dict[str, float] = {}
    if path.is_file() and not is_cut_off(path):
        kept = read_json(path, "remove it to measure again")
        if wrong := [key for key, seconds in kept.items() if not isinstance(seconds, int | float) or seconds <= 0]:
            raise UserError(f"{path}: {wrong[0]}: got {kept[wrong[0]]!r}, expected seconds; remove it to measure again")
    if any(
        key not in kept for key in keys.values()
    ):  # measure all of them again: times from different days are not comparable
        kept |= {keys[arm]: seconds for arm, seconds in engine.measure_step_times(configs).items()}
        write_json(path, kept)
    return {arm: kept[key] for arm, key in keys.items()}


def _digest(config: Config) -> str:
    return text_digest(json.dumps(config, sort_keys=True))[:16]
