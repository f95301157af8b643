"""What a study asks of whatever trains: to resolve and check a config, to make a run, and to say what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ocp_dc.study.folders import RunFolder
from ocp_dc.study.options import BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity

Config = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Facts:
    """What building a config's model tells: how derivatives are taken, and whether there are scale factors to fit."""

    gradients: str = ""
    fits_scales: bool = False


class Engine(Protocol):
    """One way to train. Every method raises UserError for a user's mistake."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The numbers that a run may end with; a report leaves out those that no run has."""

    @property
    def curves(self) -> tuple[Quantity, ...]:
        """The columns of learning curves."""

    @property
    def x(self) -> str:
        """The column that curves are drawn over, and runs are measured in."""

    @property
    def budgets(self) -> Sequence[str]:
        """Those of epochs, steps and minutes that a budget can be given in, the usual one first."""

    @property
    def smoke(self) -> Mapping[str, Any]:
        """The budget of ``--budget smoke``, where the study says nothing else."""

    @property
    def default_data(self) -> Mapping[str, Mapping[str, Any]]:
        """The data sets of a study that names none."""

    def load(self, base: Path) -> Config:
        """Return a base config, its includes resolved."""

    def place(
        self, config: Config, name: str, data: DataOptions, budget: BudgetOptions, out: Path
    ) -> tuple[Config, dict[str, Any]]:
        """Return the config with its data in place, and what the run is tested on.

        Args:
            config: the config with every change made.
            name: of the data set.
            data: the data set.
            budget: whose limits of structures hold.
            out: the study's folder, for data that are made.
        """

    def with_budget(self, config: Config, budget: BudgetOptions, step_time: float | None = None) -> Config:
        """Return the config with the length of its training; ``step_time`` in seconds for a budget in minutes."""

    def step_times(self, configs: Mapping[str, Config]) -> dict[str, float]:
        """Return seconds per training step of each config, measured side by side."""

    def check(self, config: Config, changes: Iterable[str] = ()) -> Facts:
        """Check a config as the training would, and build its model.

        Args:
            config: the config.
            changes: the dotted keys that the study changes, of which none may be without effect.
        """

    def meaning(self, config: Config) -> str:
        """Return a text that is equal for configs that ask for the same run."""

    def identity(self, config: Config, test: Mapping[str, Any]) -> Any:
        """Return all that a run depends on, as plain data."""

    def length(self, config: Config) -> int:
        """Return how far a run goes, in units of ``x``."""

    def described_data(self, config: Config, test: Mapping[str, Any]) -> str:
        """Return the data of a config in words."""

    def run(self, folder: RunFolder, cpu: bool) -> dict[str, Any]:
        """Make a run, or go on with it; return its result: ``status``, ``message``, and ``test`` by quantity."""

    def columns(self, folder: RunFolder) -> dict[str, np.ndarray]:
        """Return the learning curves so far, ``x`` and ``train_loss`` among them; empty before the first row."""

    def of_training(self, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the quantities that follow from the curves of a finished run."""
