"""The protocol of a study's engine: it resolves and checks configs, makes runs, and reads their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ocp_dc.study.folders import RunFolder
from ocp_dc.study.options import BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity
from ocp_dc.training.study_runs import Config, ModelFacts


class Engine(Protocol):
    """A way to train models; every method raises UserError for a user's mistake."""

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The final numbers that a run may have; a report omits those that no run has."""

    @property
    def curves(self) -> tuple[Quantity, ...]:
        """The columns of the learning curves."""

    @property
    def x(self) -> str:
        """The column on the horizontal axis of the curves, which is also the unit of a run's length."""

    @property
    def budgets(self) -> Sequence[str]:
        """The units of a budget (of epochs, steps and minutes) that the engine supports, the usual one first."""

    @property
    def host(self) -> str | None:
        """The name of the host that trains, and whose configs are used; None for an engine without one."""

    @property
    def configs(self) -> str:
        """What replaces ``{configs}`` in the bases, for a data set that does not say it."""

    @property
    def smoke(self) -> Mapping[str, Any]:
        """The default budget of ``--budget smoke``, which the study may override."""

    @property
    def default_data(self) -> Mapping[str, Mapping[str, Any]]:
        """The data sets of a study that does not name any."""

    def load(self, base: Path) -> Config:
        """Return a base config with its includes resolved."""

    def place(
        self, config: Config, name: str, data: DataOptions, budget: BudgetOptions, out: Path, *, test: bool = True
    ) -> tuple[Config, dict[str, Any] | None]:
        """Return the config with its data set filled in, and the test set.

        Args:
            config: the config after all changes.
            name: the name of the data set.
            data: the data set.
            budget: the budget, with limits on the numbers of structures.
            out: the study's folder, in which data are prepared.
            test: whether the run is tested; if not, the test set is not opened, and None is returned for it.
        """

    def with_budget(self, config: Config, budget: BudgetOptions, step_time: float | None = None) -> Config:
        """Return the config with the length of the run; a budget in minutes needs ``step_time`` in seconds."""

    def measure_step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns, on a GPU if there is one."""

    def check(self, config: Config, changes: Iterable[str] = ()) -> ModelFacts:
        """Check a config as a run would, and build its model.

        Args:
            config: the config.
            changes: the dotted keys that the study changes, all of which must have an effect.
        """

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run."""

    def identity(self, config: Config, test: Mapping[str, Any] | None) -> Any:
        """Return everything on which a run depends, as plain data."""

    def length(self, config: Config) -> int:
        """Return the length of a run, in units of ``x``."""

    def warning(self, config: Config) -> str | None:
        """Return why the result of a run of this length would say little, or None."""

    def describe_data(self, config: Config, test: Mapping[str, Any] | None) -> str:
        """Return a description of the data of a config."""

    def run(self, folder: RunFolder, cpu: bool) -> dict[str, Any]:
        """Start or continue a run; return its result.

        It has ``status`` and ``message``; ``test`` by quantity or, for a run without a test set, ``validation``: the
        errors of the weights that were kept.
        """

    def columns(self, folder: RunFolder) -> dict[str, np.ndarray]:
        """Return the learning curves so far, ``x`` and ``train_loss`` among them; empty before the first row."""

    def training_quantities(self, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the quantities computed from the curves of a finished run."""
