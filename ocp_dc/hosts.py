"""The hosts: what the layers above ask of a version of fairchem, and which one is installed or made a checkpoint.

:mod:`ocp_dc.fairchem1` and :mod:`ocp_dc.fairchem2` implement these protocols in their module ``host``. Only one of them
can be installed, so the module is imported by its name, and nothing above the hosts imports one of them.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ocp_dc.core.errors import UserError
from ocp_dc.training.checkpoint_origin import host_of_checkpoint
from ocp_dc.training.run_folders import Names, find_checkpoints

if TYPE_CHECKING:
    from ocp_dc.evaluation.predictor import Predictor

Config = dict[str, Any]
INSTALL = (
    "pip install 'ocp_dc[fairchem1]' for fairchem 1.10, or pip install 'ocp_dc[fairchem2]' for fairchem 2.24, each in "
    "its own environment"
)
IN_WORDS = {"fairchem1": "fairchem 1.10", "fairchem2": "fairchem 2.24"}


class DataSource(NamedTuple):
    """A data set of a config: its place, and how many of its first structures are used (a number or a share)."""

    src: str | None
    first_n: Any = None


class RunLength(NamedTuple):
    """The length of a training run: its passes over a training set, in batches of ``batch_size`` structures."""

    epochs: int
    batch_size: int


class RunFiles(NamedTuple):
    """The files of a training run.

    Args:
        best_checkpoint: the weights of the best validation.
        validation: the CSV file with a row for each validation.
        state: a file or a folder from which the run can continue.
    """

    best_checkpoint: Path
    validation: Path
    state: Path


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
        """Return the length of the training run of a config."""

    def with_epochs(self, config: Config, epochs: int) -> Config:
        """Return the config with another number of epochs."""

    def step_times(self, configs: Mapping[str, Config]) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns."""

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


class Host(Protocol):
    """What commands ask of a version of fairchem; every method raises UserError for a user's mistake."""

    @property
    def name(self) -> str:
        """``fairchem1`` or ``fairchem2``."""

    @property
    def data_format(self) -> str:
        """The format of its data sets, as ``ocp-dc prepare --to`` names it."""

    @property
    def configs(self) -> str:
        """The folder of its configs that ship, at sizes for small molecules."""

    @property
    def studies(self) -> StudyRuns:
        """What studies ask of it."""

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main."""

    def training_arguments(self, config: Path, data: Path, out: Path, name: str, epochs: int, seed: int) -> list[str]:
        """Return the arguments of ``main`` for a training run on the CPU.

        Args:
            config: the config.
            data: a folder that ``ocp-dc prepare`` made.
            out: the folder in which results and checkpoints are written.
            name: the name of the run.
            epochs: the number of epochs.
            seed: the seed.
        """

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of the training run ``name`` in ``out``."""

    def inspect(self, config: str, overrides: Sequence[str], recipes: Sequence[str]) -> str:
        """Build the model of a config and return a description of it and of what surgery changed."""

    def fit_scales(
        self, config: str, out: Path, overrides: Sequence[str], recipes: Sequence[str], batches: int, cpu: bool
    ) -> str:
        """Fit the scale factors of a config's model, write them to ``out``, and return them as a table."""

    def predictor(self, checkpoint: str | Path, cpu: bool, trust_modules: Sequence[str]) -> Predictor:
        """Return a checkpoint that predicts structures."""


def installed_name() -> str:
    """Return the name of the host that is installed.

    Raises:
        UserError: fairchem is not installed, or is of another major version.
    """
    try:
        found = version("fairchem-core")
    except PackageNotFoundError as error:
        raise UserError(f"fairchem-core is not installed; {INSTALL}") from error
    name = f"fairchem{found.partition('.')[0]}"
    if name not in IN_WORDS:
        raise UserError(f"fairchem-core: found {found}, expected 1.10 or 2.24; {INSTALL}")
    return name


def installed_host() -> Host:
    """Return the host that is installed.

    Raises:
        UserError: fairchem is not installed, or is of a version that is not supported.
    """
    host: Host = importlib.import_module(f"ocp_dc.{installed_name()}.host").HOST
    return host


def host_for(checkpoint: str | Path) -> Host:
    """Return the installed host, if the checkpoint is one of its version of fairchem.

    Raises:
        UserError: there is no supported host, or the checkpoint was written with the other one.
    """
    host, writer = installed_host(), host_of_checkpoint(checkpoint)
    if writer not in (None, host.name):
        raise UserError(
            f"checkpoint {checkpoint}: was written with {IN_WORDS[str(writer)]}, but {IN_WORDS[host.name]} is "
            f"installed; convert it with `ocp-dc convert {checkpoint} OUT`, or use an environment with "
            f"pip install 'ocp_dc[{writer}]'"
        )
    return host


def load_predictor(checkpoint: Names, cpu: bool = False, trust_modules: Sequence[str] = ()) -> Predictor:
    """Return a checkpoint that predicts structures, or an ensemble of several, with the installed host.

    Args:
        checkpoint: a ``best_checkpoint.pt`` or ``checkpoint.pt`` of fairchem 1.10, or a ``best_inference_ckpt.pt`` of
            fairchem 2, which are read as data; the folder or the name of a run; ``STUDY:ARM`` for all runs of one arm
            of a study; or several of these, which form an ensemble.
        cpu: use the CPU even if there is a GPU.
        trust_modules: dotted names of modules whose code the checkpoint may name, besides fairchem's and ocp_dc's.

    Raises:
        UserError: a file is missing, damaged, hostile, or of a host that is not installed, or the checkpoints do not
            form an ensemble.
    """
    installed_name()  # without a host, no name of a checkpoint mends it
    paths = find_checkpoints(checkpoint)
    predictors = [host_for(path).predictor(path, cpu, trust_modules) for path in paths]
    if len(predictors) == 1:
        return predictors[0]
    from ocp_dc.evaluation.ensemble import EnsemblePredictor

    return EnsemblePredictor(predictors, [f"checkpoint {path}" for path in paths])


def check_installed(name: str, where: str) -> None:
    """Check that the host of this name is the installed one.

    Args:
        name: the name.
        where: what asks for it, for the message.

    Raises:
        UserError: the other host is installed, or none.
    """
    if (installed := installed_name()) != name:
        raise UserError(
            f"{where}: expected {IN_WORDS[name]}, but {IN_WORDS[installed]} is installed; use an environment with "
            f"pip install 'ocp_dc[{name}]'"
        )
