"""fairchem 2 as :class:`ocp_dc.hosts.Host`. Importing it loads neither fairchem nor torch."""

from __future__ import annotations

import functools
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.versions import TESTED, installed_version, is_supported
from ocp_dc.hosts import Host
from ocp_dc.training.finetuning import FineTuning
from ocp_dc.training.run_files import RunFiles, fairchem2_files
from ocp_dc.training.study_runs import StudyRuns

if TYPE_CHECKING:
    from torch import Tensor

    from ocp_dc.evaluation.predictor import Predictor
    from ocp_dc.training.first_run import FirstRuns


class Fairchem2:
    """fairchem-core 2.

    Raises:
        UserError: its minor version is not among the tested ones.
    """

    name = "fairchem2"
    data_format = "aselmdb"
    configs = "fairchem2"

    def __init__(self) -> None:
        if not is_supported(found := installed_version()):
            raise UserError(
                f"ocp_dc.fairchem2 needs fairchem-core {' or '.join(TESTED)}, found {found}; "
                "pip install 'ocp_dc[fairchem2]'"
            )

    @functools.cached_property
    def studies(self) -> StudyRuns:
        """What studies ask of it."""
        from ocp_dc.fairchem2 import study_runs

        return study_runs.StudyRuns()

    @functools.cached_property
    def first_runs(self) -> FirstRuns:
        """What ``ocp-dc init`` asks of it."""
        from ocp_dc.fairchem2 import first_runs

        return first_runs.FirstRuns()

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main; see :func:`ocp_dc.fairchem2.main.main`."""
        from ocp_dc.fairchem2.main import main

        main(arguments)

    def main_parser(self) -> ArgumentParser:
        """Return the parser of the arguments of ``main``."""
        from ocp_dc.fairchem2.main import main_parser

        return main_parser()

    def run_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its run configs; see :mod:`ocp_dc.fairchem2.schema`."""
        from ocp_dc.fairchem2.schema import run_schema

        return run_schema()

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
        """Return the arguments of ``main`` for a training run."""
        import torch

        from ocp_dc.fairchem2.compose import override

        device = "CPU" if cpu or not torch.cuda.is_available() else "CUDA"
        arguments = ["-c", str(config), f"seed={seed}", f"job.device_type={device}"]
        places = {"job.run_dir": out, "job.timestamp_id": name, **({} if data is None else {"data_dir": data})}
        arguments += [f"++{override(key, value)}" for key, value in places.items()]
        if data is not None and not (data / "test").exists():
            arguments.append("test_dataloader=null")
        return [*arguments, *([] if epochs is None else [f"epochs={epochs}"])]

    def run_dir(self, out: Path, name: str) -> Path:
        """Return the folder in which a run is started whose files are all in ``out/name``."""
        return out

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of a training run."""
        return fairchem2_files(out, name)

    def extension_arguments(self, run: RunFiles, extended: RunFiles, epochs: int, peak: float, cpu: bool) -> list[str]:
        """Return the arguments of ``main`` that train a finished run for more epochs, as a new run."""
        from ocp_dc.fairchem2.train.extension_config import extension_arguments

        return extension_arguments(run, extended, epochs, peak, cpu)

    def write_start(self, checkpoint: Path, start: Path, shift: Tensor, trust_modules: Sequence[str]) -> None:
        """Write a checkpoint from which fine-tuning starts."""
        from ocp_dc.fairchem2.finetuning_run import write_start

        write_start(checkpoint, start, shift, trust_modules)

    def finetuning_arguments(self, start: Path, run: RunFiles, tuning: FineTuning) -> list[str]:
        """Write the config of a fine-tuning run, and return the arguments of ``main``."""
        from ocp_dc.fairchem2.finetuning_run import finetuning_arguments

        return finetuning_arguments(start, run, tuning)

    def inspect(self, config: str, overrides: Sequence[str], recipes: Sequence[str]) -> str:
        """Return a description of a config's model; see :mod:`ocp_dc.fairchem2.infer.inspect_model`."""
        from ocp_dc.fairchem2.infer.inspect_model import inspect_config

        return inspect_config(config, overrides, recipes)

    def fit_scales(
        self, config: str, out: Path, overrides: Sequence[str], recipes: Sequence[str], batches: int, cpu: bool
    ) -> str:
        """Fit scale factors, write them to ``out``, and return them as a table.

        Raises:
            UserError: recipes are given, which change configs of fairchem 1.10, or the fit is not possible.
        """
        from ocp_dc.fairchem2.compose import refuse_recipes
        from ocp_dc.fairchem2.train.fit_scales import fit_config
        from ocp_dc.training.scale_fit import factor_table

        refuse_recipes(recipes)
        return factor_table(fit_config(config, out, overrides, batches=batches, cpu=cpu))

    def predictor(self, checkpoint: str | Path, cpu: bool, trust_modules: Sequence[str]) -> Predictor:
        """Return a checkpoint that predicts structures."""
        from ocp_dc.fairchem2.infer.predictor import Predictor

        return Predictor(checkpoint, cpu, trust_modules)


HOST: Host = Fairchem2()
