"""fairchem 1.10 as :class:`ocp_dc.hosts.Host`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ocp_dc.fairchem1.infer.inspect_model import inspect_config
from ocp_dc.fairchem1.infer.predictor import Predictor
from ocp_dc.fairchem1.main import main
from ocp_dc.fairchem1.study_runs import StudyRuns
from ocp_dc.fairchem1.train.fit_scales import fit_config
from ocp_dc.hosts import Host, RunFiles
from ocp_dc.training.scale_fit import factor_table


class Fairchem1:
    """fairchem-core 1.10."""

    name = "fairchem1"
    data_format = "oc20"
    configs = "md17"
    studies = StudyRuns()

    def main(self, arguments: Sequence[str]) -> None:
        """Run fairchem's main; see :func:`ocp_dc.fairchem1.main.main`."""
        main(arguments)

    def training_arguments(self, config: Path, data: Path, out: Path, name: str, epochs: int, seed: int) -> list[str]:
        """Return the arguments of ``main`` for a training run on the CPU."""
        return [
            *("--mode", "train", "--config-yml", str(config), "--cpu", "--run-dir", str(out)),
            *("--timestamp-id", name, "--seed", str(seed), "--print-every", "40"),
            *(f"--dataset.{split}.src={data / split}" for split in ("train", "val", "test")),
            f"--optim.max_epochs={epochs}",
        ]

    def run_files(self, out: Path, name: str) -> RunFiles:
        """Return the files of a training run."""
        checkpoints = out / "checkpoints" / name
        return RunFiles(
            best_checkpoint=checkpoints / "best_checkpoint.pt",
            validation=out / "results" / name / "validation.csv",
            state=checkpoints / "checkpoint.pt",
        )

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
