"""fairchem 1.10 as :class:`ocp_dc.hosts.Host`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ocp_dc.fairchem1.first_runs import FirstRuns
from ocp_dc.fairchem1.infer.inspect_model import inspect_config
from ocp_dc.fairchem1.infer.predictor import Predictor
from ocp_dc.fairchem1.main import main, main_parser
from ocp_dc.fairchem1.schemas.run import run_schema
from ocp_dc.fairchem1.study_runs import StudyRuns
from ocp_dc.fairchem1.train.extended_run import extension_arguments
from ocp_dc.fairchem1.train.finetuning import finetuning_arguments, write_start
from ocp_dc.fairchem1.train.fit_scales import fit_config
from ocp_dc.hosts import Host
from ocp_dc.training.finetuning import FineTuning
from ocp_dc.training.run_files import RunFiles, fairchem1_files
from ocp_dc.training.scale_fit import factor_table


class Fairchem1:
    """fairchem-core 1.10."""

    name = "fairchem1"
    data_format = "oc20"
    configs = "md17"
    studies = StudyRuns()
    first_runs = FirstRuns()

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main; see :func:`ocp_dc.fairchem1.main.main`."""
        main(arguments)

    def main_parser(self) -> ArgumentParser:
        """Return the parser of the arguments of ``main``."""
        return main_parser()

    def run_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its run configs; see :mod:`ocp_dc.fairchem1.schemas.run`."""
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
        arguments = ["--mode", "train", "--config-yml", str(config), *(["--cpu"] if cpu else []), "--run-dir", str(out)]
        arguments += [
            "--timestamp-id",
            name,
            "--seed",
            str(seed),
            "--print-every",
            "40",
        ]
        if data is not None:
            arguments += [f"--dataset.{split}.src={data / split}" for split in ("train", "val")]
            test = data / "test"
            arguments.append(f"--dataset.test.src={test if test.exists() else 'null'}")
        return [*arguments, *([] if epochs is None else [f"--optim.max_epochs={epochs}"])]

    def run_dir(self, out: Path, name: str) -> Path:
        """Return the folder in which a run is started whose files are all in ``out/name``."""
        return out / name

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of a training run."""
        return fairchem1_files(out, name)

    def extension_arguments(self, run: RunFiles, extended: RunFiles, epochs: int, peak: float, cpu: bool) -> list[str]:
        """Return the arguments of ``main`` that train a finished run for more epochs, as a new run."""
        return extension_arguments(run, extended, epochs, peak, cpu)

    def write_start(self, checkpoint: Path, start: Path, shift: Tensor, trust_modules: Sequence[str]) -> None:
        """Write a checkpoint from which fine-tuning starts."""
        write_start(checkpoint, start, shift, trust_modules)

    def finetuning_arguments(self, start: Path, run: RunFiles, tuning: FineTuning) -> list[str]:
        """Write the config of a fine-tuning run, and return the arguments of ``main``."""
        return finetuning_arguments(start, run, tuning)

    def inspect(self, config: str, overrides: Sequence[str], recipes: Sequence[str]) -> str:
        """Return a description of a config's model; see :mod:`ocp_dc.fairchem1.infer.inspect_model`."""
        return inspect_config(config, overrides, recipes)

    def fit_scales(
        self, config: str, out: Path, overrides: Sequence[str], recipes: Sequence[str], batches: int, cpu: bool
    ) -> str:
        """Fit scale factors, write them to ``out``, and return them as a table."""
        return factor_table(fit_config(config, out, overrides, recipes=recipes, batches=batches, cpu=cpu))

    def predictor(self, checkpoint: str | Path, cpu: bool, trust_modules: Sequence[str]) -> Predictor:
        """Return a checkpoint that predicts structures."""
        return Predictor(checkpoint, cpu, trust_modules)


HOST: Host = Fairchem1()
