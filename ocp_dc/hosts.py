"""The hosts: what the layers above ask of a version of fairchem, and which one is installed or made a checkpoint.

:mod:`ocp_dc.fairchem1` and :mod:`ocp_dc.fairchem2` implement these protocols in their module ``host``. Only one of them
can be installed, so the module is imported by its name, and nothing above the hosts imports one of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ocp_dc.core.errors import UserError
from ocp_dc.training.checkpoint_origin import host_of_checkpoint
from ocp_dc.training.finetuning import FineTuning
from ocp_dc.training.run_files import RunFiles
from ocp_dc.training.run_folders import Names, find_checkpoints
from ocp_dc.training.study_runs import StudyRuns

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from torch import Tensor

    from ocp_dc.evaluation.predictor import Predictor
    from ocp_dc.training.first_run import FirstRuns

INSTALL = (
    "pip install 'ocp_dc[fairchem1]' for fairchem 1.10, or pip install 'ocp_dc[fairchem2]' for fairchem 2.24, each in "
    "its own environment"
)
IN_WORDS = {"fairchem1": "fairchem 1.10", "fairchem2": "fairchem 2.24"}


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

    @property
    def first_runs(self) -> FirstRuns:
        """What ``ocp-dc init`` asks of it."""

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main."""

    def main_parser(self) -> ArgumentParser:
        """Return the parser of the arguments of ``main``."""

    def run_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its run configs."""

    def training_arguments(
        self,
        config: Path,
        out: Path,
        name: str,
        seed: int,
        data: Path | None = None,
        epochs: int | None = None,
        cpu: bool = False,
    ) -> list[str]:
        """Return the arguments of ``main`` for a training run.

        Args:
            config: the config.
            out: the folder in which results and checkpoints are written.
            name: the name of the run.
            seed: the seed.
            data: a folder that ``ocp-dc prepare`` made; None for the data of the config.
            epochs: the number of epochs; None for that of the config.
            cpu: use the CPU even if there is a GPU.
        """

    def run_dir(self, out: Path, name: str) -> Path:
        """Return the ``out`` of :meth:`training_arguments` for a run all of whose files are in ``out/name``."""

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of the training run ``name`` in ``out``."""

    def extension_arguments(self, run: RunFiles, extended: RunFiles, epochs: int, peak: float, cpu: bool) -> list[str]:
        """Return the arguments of ``main`` that train a finished run for more epochs, as a new run.

        Args:
            run: the finished run.
            extended: the new run, which resumes if it has a checkpoint.
            epochs: the number of epochs to add.
            peak: the highest learning rate, as a fraction of the highest rate of the run.
            cpu: use the CPU even if there is a GPU.
        """

    def write_start(self, checkpoint: Path, start: Path, shift: Tensor, trust_modules: Sequence[str]) -> None:
        """Write a checkpoint from which fine-tuning starts: the averaged weights, with other reference energies.

        Args:
            checkpoint: the checkpoint, of this host.
            start: the file to write.
            shift: what is added to the reference energy of each element; see
                :meth:`ocp_dc.labels.LabelRescaling.shifted`.
            trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
        """

    def finetuning_arguments(self, start: Path, run: RunFiles, tuning: FineTuning) -> list[str]:
        """Write the config of a fine-tuning run, and return the arguments of ``main``.

        Args:
            start: what :meth:`write_start` wrote.
            run: the run, which resumes if it has a checkpoint.
            tuning: the settings.
        """

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
    """Return the host that is installed; raises UserError where there is none, or one that is not supported."""
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
