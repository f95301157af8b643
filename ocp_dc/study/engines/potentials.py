"""The engine for studies of interatomic potentials, trained with fairchem's main."""

from __future__ import annotations

import functools
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.study.engines.engine import Config, ModelFacts
from ocp_dc.study.engines.potential_data import data_identity, place_data
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.options import BUDGET_KINDS, BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity
from ocp_dc.training.validation_log import read_columns

QUANTITIES = (
    Quantity("energy_mae", "energy MAE", "eV", primary=True),
    Quantity("forces_mae", "force MAE", "eV/Å", primary=True),
    Quantity("energy_per_atom_mae", "energy MAE per atom", "eV/atom"),
    Quantity("energy_rmse", "energy RMSE", "eV"),
    Quantity("forces_rmse", "force RMSE", "eV/Å"),
    Quantity("forces_cosine", "force cosine", lower_is_better=False),
    Quantity("efwt", "EFwT", "fraction", lower_is_better=False),
    Quantity("train_loss", "training loss, scaled labels", lower_is_better=None),
    Quantity("train_loss_energy", "its energy term", lower_is_better=None),
    Quantity("train_loss_forces", "its force term", lower_is_better=None),
    Quantity("step_time", "time per step", "s"),
    Quantity("peak_memory", "peak memory", "MiB"),
)
CURVES = (
    Quantity("epoch", "epoch", lower_is_better=None),
    Quantity("energy_mae", "energy MAE, validation", "eV", primary=True),
    Quantity("forces_mae", "force MAE, validation", "eV/Å", primary=True),
    Quantity("train_loss", "training loss, scaled labels", lower_is_better=None),
)
SMOKE = {"epochs": 2, "train": 40, "val": 20, "test": 20, "seeds": [0]}
DEFAULT_DATA = {"sample": {"sample": "ethanol"}}


class Potentials:
    """The engine ``fairchem``."""

    quantities = QUANTITIES
    curves = CURVES
    x = "epoch"
    budgets = BUDGET_KINDS
    smoke = SMOKE
    default_data = DEFAULT_DATA

    def load(self, base: Path) -> Config:
        """Return the blocks of a fairchem config with its includes resolved."""
        from ocp_dc.fairchem1 import main as run_main
        from ocp_dc.training.records import BLOCKS

        config = run_main.resolve_training(str(base))
        return {key: value for key, value in config.items() if key in (*BLOCKS, "dataset")}

    def place(
        self, config: Config, name: str, data: DataOptions, budget: BudgetOptions, out: Path
    ) -> tuple[Config, dict[str, Any]]:
        """Return the config with training and validation sets filled in, and the test set: ``src`` and ``first_n``."""
        return place_data(config, name, data, budget, out)

    def with_budget(self, config: Config, budget: BudgetOptions, step_time: float | None = None) -> Config:
        """Return the config with the length of the budget, in whole epochs, at least one."""
        optim = config["optim"]
        per_epoch = math.ceil(config["dataset"]["train"]["first_n"] / optim["batch_size"])
        if budget.epochs is not None:
            epochs = budget.epochs
        elif budget.steps is not None:
            epochs = math.ceil(budget.steps / per_epoch)
        else:
            assert budget.minutes is not None
            assert step_time is not None
            epochs = max(1, int(60 * budget.minutes / (per_epoch * step_time)))
        return {**config, "optim": {**optim, "max_epochs": epochs}}

    def measure_step_times(self, configs: Mapping[str, Config]) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns."""
        from ocp_dc.fairchem1.train.step_times import step_times

        return step_times(configs)

    def check(self, config: Config, changes: Iterable[str] = ()) -> ModelFacts:
        """Check a config and build its model, so that errors of surgery are found before any run starts."""
        from ocp_dc.fairchem1.checks.config_check import check_run_config

        check_run_config(config, changes)
        return _facts(json.dumps(config["model"], sort_keys=True))

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run, even if they are written differently."""
        from ocp_dc.fairchem1.checks.model_check import canonical_dc, read_dc

        model = {key: value for key, value in config["model"].items() if key != "dc"}
        dc = canonical_dc(read_dc(config["model"]))
        return json.dumps([{**config, "model": model}, repr(dc)], sort_keys=True, default=str)

    def identity(self, config: Config, test: Mapping[str, Any]) -> Any:
        """Return everything on which a run depends; data are identified by their content, not by their path."""
        identity = json.loads(json.dumps([config, test]))
        for block in (*identity[0]["dataset"].values(), identity[1]):
            block["src"] = data_identity(block["src"])
        return identity

    def length(self, config: Config) -> int:
        """Return the number of epochs of a run."""
        return int(config["optim"]["max_epochs"])

    def describe_data(self, config: Config, test: Mapping[str, Any]) -> str:
        """Return a description of the sizes of the data sets."""
        train, val = (config["dataset"][split]["first_n"] for split in ("train", "val"))
        return f"{train} training, {val} validation, {test['first_n']} test structures"

    def run(self, folder: RunFolder, cpu: bool) -> dict[str, Any]:
        """Start or continue a run, and test it once."""
        from ocp_dc.study.engines.potential_run import run

        return run(folder, cpu)

    def columns(self, folder: RunFolder) -> dict[str, np.ndarray]:
        """Return the columns of the validation file; empty before the first validation."""
        log = folder.results / "validation.csv"
        return read_columns(log) if log.is_file() else {}

    def training_quantities(self, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the last training losses, the median time per step, and the peak memory."""
        values = {key: float(columns[key][-1]) for key in columns if key.startswith("train_loss")}
        if "step_time" in columns:
            values["step_time"] = statistics.median(columns["step_time"])
        if "peak_memory" in columns:
            values["peak_memory"] = float(columns["peak_memory"].max())
        return values


@functools.lru_cache(maxsize=256)
def _facts(model_block: str) -> ModelFacts:
    from ocp_dc.fairchem1.checks.model_check import GRADIENT_CHOICES
    from ocp_dc.fairchem1.infer.inspect_model import build_model
    from ocp_dc.fairchem1.train.scale_factors import scale_factors

    model = build_model(json.loads(model_block))
    chosen = [str(getattr(model, key)) for key in GRADIENT_CHOICES if hasattr(model, key)]
    unfitted = [factor for factor in scale_factors(model).values() if not factor.fitted]
    derived = "-dE/dx" if getattr(model, "conservative", False) else "not -dE/dx"
    return ModelFacts(" ".join([derived, *chosen]), bool(unfitted))
