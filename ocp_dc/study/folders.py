"""The files of a study's folder: who writes them, who reads them, and the lock of a run.

OUT/study.json                 the study as it was planned last
OUT/data/                      bundled samples, prepared
OUT/runs/ID/run.json           what the run is
OUT/runs/ID/config.yml         its resolved config, as the engine takes it
OUT/runs/ID/scales.json        fitted scale factors, of models that have them
OUT/runs/ID/log.txt            what it printed, of every attempt
OUT/runs/ID/results/train/     the trainer's records: swap report, validation.csv, environment; of a physics-informed
                               task all that its training leaves
OUT/runs/ID/checkpoints/train/ the trainer's checkpoints; after the end the best one alone
OUT/runs/ID/predictions.npz    predictions of the test set at the best validation
OUT/runs/ID/result.json        the end: done or diverged
OUT/runs/ID/failure.json       the last attempt that failed; the next start tries again
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.errors import UserError
from ocp_dc.files import replacing, write_json
from ocp_dc.locks import only_one

NAME = "train"  # of the run in fairchem's folders


class RunFolder:
    """The folder of one run.

    Args:
        path: ``OUT/runs/ID``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def results(self) -> Path:
        """The trainer's records."""
        return self.path / "results" / NAME

    @property
    def checkpoints(self) -> Path:
        """The trainer's checkpoints."""
        return self.path / "checkpoints" / NAME

    def write(self, description: dict[str, Any], config: dict[str, Any]) -> None:
        """Write what the run is, once; a run's identifier says that both are as they were."""
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / "config.yml") as temporary:
            temporary.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
        write_json(self.path / "run.json", description)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the content of a JSON file of the run, None where there is no such file.

        Raises:
            UserError: the file is damaged.
        """
        path = self.path / name
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
            raise ValueError(f"a {type(content).__name__}")
        except ValueError as error:
            raise UserError(
                f"{path}: got no JSON object ({error}); remove {self.path} to make the run again"
            ) from error

    def description(self) -> dict[str, Any]:
        """Return what the run is.

        Raises:
            UserError: nobody planned a run here.
        """
        description = self.read("run.json")
        if description is None:
            raise UserError(f"{self.path}: no run.json; expected a folder that `ocp-dc study run` made; run it again")
        return description

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result, whole, as the last file of the run."""
        (self.path / "failure.json").unlink(missing_ok=True)
        write_json(self.path / "result.json", result)

    def locked(self, patience: float = 10.0) -> AbstractContextManager[None]:
        """Hold the run's lock; it goes with the process, however that ends.

        Args:
            patience: seconds to wait for a process that is about to end.

        Raises:
            UserError: another process works on the run.
        """
        return only_one(self.path, "another process", patience)
