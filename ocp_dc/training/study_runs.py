"""What studies ask of a host, which implements :class:`StudyRuns`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

Config = dict[str, Any]


class DataSource(NamedTuple):
    """A data set of a config: its place, and how many of its first structures are used (a number or a share)."""

    src: str | None
    first_n: Any = None


class RunLength(NamedTuple):
    """The length of a training run: its passes over a training set, in batches of ``batch_size`` structures.

    ``ema_decay`` is that of the exponential average over its steps, None or 0 without one.
    """

    epochs: int
    batch_size: int
    ema_decay: float | None = None


class Divergence(NamedTuple):
    """The end of a run whose loss or gradients are not finite: the step, from 1, and a message."""

    step: int
    message: str


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """Facts known once a model is built: the derivation of its forces, and the need to fit scale factors."""

    gradients: str = ""
    fits_scales: bool = False


class StudyRuns(Protocol):
    """What studies ask of a host: read and change its configs, and make runs. A config is plain data."""

    def load(self, base: Path) -> Config:
        """Return a base config with everything that it includes."""

    def data_source(self, config: Config, split: str) -> DataSource:
        """Return the data set of ``train``, ``val`` or ``test``."""

    def with_data(self, config: Config, sources: Mapping[str, DataSource]) -> Config:
        """Return the config with these training and validation sets, and without a test set."""

    def count_structures(self, src: Path) -> int:
        """Return the number of structures of a data set, after checks of its files."""

    def run_length(self, config: Config) -> RunLength:
        """Return the length of the training run of a config, and the decay of its average."""

    def primary_metric(self, config: Config) -> str:
        """Return the metric of the validation that selects the best weights."""

    def with_epochs(self, config: Config, epochs: int) -> Config:
        """Return the config with another number of epochs."""

    def step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns, on a GPU if there is one."""

    def check(self, config: Config, changes: Iterable[str]) -> ModelFacts:
        """Check a config as a run would, and build its model.

        Args:
            config: the config.
            changes: the dotted keys that a study changes, all of which must have an effect.
        """

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run, even if they are written differently."""

    def train(self, config_path: Path, name: str, seed: int, cpu: bool, fit_scales: bool) -> Divergence | None:
        """Start or continue a training run, in the folder of its config; return None at its end.

        Args:
            config_path: the config.
            name: the name of the run.
            seed: seed of the weights and of the order of the data.
            cpu: use the CPU even if there is a GPU.
            fit_scales: fit the scale factors of the model first.
        """

    def trusted_modules(self, config: Config) -> Sequence[str]:
        """Return the modules whose code a config of the user names, so that its checkpoint may name it too."""
