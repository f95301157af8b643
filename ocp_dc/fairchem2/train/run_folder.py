"""The files of a run of fairchem 2, and those that a resumed run takes over."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from fairchem.core.launchers.api import CONFIG_FILE_NAME, LOG_DIR_NAME, RESULTS_DIR
from omegaconf import OmegaConf

from ocp_dc.core.files import replacing

BEST = "best_inference_ckpt.pt"
VALIDATION = "validation.csv"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """The folder of a run.

    Args:
        checkpoint_dir: where fairchem writes and prunes checkpoints. It comes from the runner: in a resumed run, the
            ``job_config`` of the training unit may be that of the run before.
    """

    checkpoint_dir: Path

    @property
    def config_path(self) -> Path:
        """The resolved config, which fairchem writes at the start."""
        return self.checkpoint_dir.parent / CONFIG_FILE_NAME

    @property
    def results(self) -> Path:
        """The folder of the results, which fairchem does not prune."""
        return self.checkpoint_dir.parent / RESULTS_DIR

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return self.checkpoint_dir.parent / LOG_DIR_NAME

    @property
    def best(self) -> Path:
        """The inference checkpoint of the best validation."""
        return self.results / BEST

    @property
    def validation(self) -> Path:
        """The CSV file with one row per validation."""
        return self.results / VALIDATION

    def read_config(self) -> Any:
        """Return the config of the run."""
        return OmegaConf.load(self.config_path)

    def take_over(self, checkpoint: Path) -> None:
        """Copy validations and best checkpoint of the run of a checkpoint, if that is another run and this has none.

        Args:
            checkpoint: the folder of the checkpoint, RUN/checkpoints/NAME.
        """
        before = RunFolder(checkpoint.parent)
        for source, target in ((before.validation, self.validation), (before.best, self.best)):
            if source.is_file() and not target.exists():
                with replacing(target) as new:
                    shutil.copyfile(source, new)
