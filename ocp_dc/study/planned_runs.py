"""Planned runs: their configs, their stable identifiers, and the files with which they start."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from typing import Any

from ocp_dc.core.digests import text_digest
from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.folders import RunFolder
from ocp_dc.training.study_runs import ModelFacts


@dataclasses.dataclass(frozen=True)
class Case:
    """An arm of one model on one data set: its config, its test set if it is tested, and facts about its model."""

    config: dict[str, Any]
    test: dict[str, Any] | None
    facts: ModelFacts


@dataclasses.dataclass(frozen=True)
class Run:
    """A planned run.

    Args:
        id: model, data set, arm, seed, and a digest of everything on which the run depends.
        model: name of the model.
        data: name of the data set.
        arm: name of the arm.
        seed: the seed.
        config: the config for the engine.
        test: the test set; None for a run that is not tested.
        fits_scales: true if scale factors are fitted first.
    """

    id: str
    model: str
    data: str
    arm: str
    seed: int
    config: dict[str, Any]
    test: dict[str, Any] | None
    fits_scales: bool


def make_run(engine: Engine, model: str, data: str, arm: str, seed: int, case: Case) -> Run:
    """Return a run of a case, with its stable identifier."""
    identity = [engine.identity(case.config, case.test), seed]
    digest = text_digest(json.dumps(identity, sort_keys=True))[:10]
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{model}-{data}-{arm}").strip("-").lower()
    run_id = f"{name[:80]}-s{seed}-{digest}"
    return Run(run_id, model, data, arm, seed, case.config, case.test, case.facts.fits_scales)


def write_run(run: Run, folder: RunFolder, engine: str, host: str | None) -> None:
    """Write the files with which a run starts, if its folder is missing or differs from the plan.

    A config may name any code. So an existing folder, which may come from another user, must match the plan.

    Args:
        run: the run.
        folder: its folder.
        engine: the name of the engine.
        host: the name of the host that trains, if the engine has one.
    """
    keys = ("id", "model", "data", "arm", "seed", "test", "fits_scales")
    description = {"engine": engine, "host": host, **{key: getattr(run, key) for key in keys}}
    if folder.read("run.json") is not None:
        if folder.read("result.json") is not None or folder.holds(description, run.config):
            return
        logging.warning(f"{folder.path}: its config.yml or run.json differs from the plan and is rewritten")
    folder.write(description, run.config)
