"""fairchem 2 as :class:`ocp_dc.hosts.Host`. Importing it loads neither fairchem nor torch."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.versions import TESTED, installed_version, is_supported
from ocp_dc.hosts import Host, RunFiles, StudyRuns

if TYPE_CHECKING:
    from ocp_dc.evaluation.predictor import Predictor


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

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main; see :func:`ocp_dc.fairchem2.main.main`."""
        from ocp_dc.fairchem2.main import main

        main(arguments)

    def training_arguments(self, config: Path, data: Path, out: Path, name: str, epochs: int, seed: int) -> list[str]:
        """Return the arguments of ``main`` for a training run on the CPU."""
        from ocp_dc.fairchem2.compose import override

        places = (("data_dir", data), ("job.run_dir", out), ("job.timestamp_id", name))
        numbers = [f"epochs={epochs}", f"seed={seed}", "job.device_type=CPU"]
        return ["-c", str(config), *numbers, *(f"++{override(key, value)}" for key, value in places)]

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of a training run."""
        results = out / name / "results"
        return RunFiles(
            best_checkpoint=results / "best_inference_ckpt.pt",
            validation=results / "validation.csv",
            state=out / name / "checkpoints",
        )

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
