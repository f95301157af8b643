"""The engine for studies of interatomic potentials, trained with fairchem's main."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.hosts import Host, check_installed, installed_host
from ocp_dc.study.engines.potential_data import data_identity, place_data, with_digests
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.options import BUDGET_KINDS, BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity
from ocp_dc.training.first_weights import first_weights_warning
from ocp_dc.training.study_runs import Config, ModelFacts
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
    """The engine ``fairchem``: it trains with the host that is installed.

    The host is loaded when it is first needed, so that the report of a study needs none.

    Args:
        host: the name of the host that the study asks for; None for the one that is installed.
    """

    quantities = QUANTITIES
    curves = CURVES
    x = "epoch"
    budgets = BUDGET_KINDS
    smoke = SMOKE
    default_data = DEFAULT_DATA

    def __init__(self, host: str | None = None) -> None:
        self._asked_for = host

    @property
    def host(self) -> str:
        """The name of the host."""
        return self._host.name

    @property
    def configs(self) -> str:
        """The folder of the host's configs for small molecules."""
        return self._host.configs

    @functools.cached_property
    def _host(self) -> Host:
        if self._asked_for is not None:
            check_installed(self._asked_for, "host")
        return installed_host()

    def load(self, base: Path) -> Config:
        """Return a base config of fairchem with its includes resolved."""
        return self._host.studies.load(base)

    def place(
        self, config: Config, name: str, data: DataOptions, budget: BudgetOptions, out: Path, *, test: bool = True
    ) -> tuple[Config, dict[str, Any] | None]:
        """Return the config with training and validation sets filled in, and the test set: ``src`` and ``first_n``."""
        return place_data(self._host, config, name, data, budget, out, test=test)

    def with_budget(self, config: Config, budget: BudgetOptions, step_time: float | None = None) -> Config:
        """Return the config with the length of the budget, in whole epochs, at least one."""
        studies = self._host.studies
        per_epoch = self._steps_per_epoch(config)
        if budget.epochs is not None:
            epochs = budget.epochs
        elif budget.steps is not None:
            epochs = math.ceil(budget.steps / per_epoch)
        else:
            assert budget.minutes is not None
            assert step_time is not None
            epochs = max(1, int(60 * budget.minutes / (per_epoch * step_time)))
        return studies.with_epochs(config, epochs)

    def measure_step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns, on a GPU if there is one."""
        return self._host.studies.step_times(configs, cpu)

    def check(self, config: Config, changes: Iterable[str] = ()) -> ModelFacts:
        """Check a config and build its model, so that errors of surgery are found before any run starts."""
        return self._host.studies.check(config, changes)

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run, even if they are written differently."""
        return self._host.studies.fingerprint(config)

    def identity(self, config: Config, test: Mapping[str, Any] | None) -> Any:
        """Return everything on which a run depends, but code; files are identified by their content, not their path."""
        studies = self._host.studies
        sources = {split: studies.data_source(config, split) for split in ("train", "val")}
        named = {split: each._replace(src=data_identity(str(each.src))) for split, each in sources.items()}
        tested = None if test is None else {**test, "src": data_identity(test["src"])}
        return [with_digests(studies.with_data(config, named)), tested]

    def length(self, config: Config) -> int:
        """Return the number of epochs of a run."""
        return self._host.studies.run_length(config).epochs

    def warning(self, config: Config) -> str | None:
        """Return a warning if the averages at the end of a run would hold much of its random first weights."""
        length = self._host.studies.run_length(config)
        return first_weights_warning(length.ema_decay, length.epochs * self._steps_per_epoch(config), "ema_decay")

    def _steps_per_epoch(self, config: Config) -> int:
        studies = self._host.studies
        return math.ceil(studies.data_source(config, "train").first_n / studies.run_length(config).batch_size)

    def describe_data(self, config: Config, test: Mapping[str, Any] | None) -> str:
        """Return a description of the sizes of the data sets."""
        train, val = (self._host.studies.data_source(config, split).first_n for split in ("train", "val"))
        tested = "" if test is None else f", {test['first_n']} test"
        return f"{train} training, {val} validation{tested} structures"

    def run(self, folder: RunFolder, cpu: bool) -> dict[str, Any]:
        """Start or continue a run, and test it once."""
        from ocp_dc.study.engines.potential_run import run

        return run(self._host, folder, cpu)

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
