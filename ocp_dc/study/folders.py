"""The files of a study, and the lock of a run.

OUT/study.json                 the last plan of the study
OUT/data/                      bundled samples, prepared
OUT/runs/ID/run.json           description of the run
OUT/runs/ID/config.yml         its resolved config for the engine
OUT/runs/ID/scales.json        fitted scale factors, if the model has any
OUT/runs/ID/log.txt            output of all attempts
OUT/runs/ID/results/train/     the trainer's records: swap report, validation.csv, environment; all files of a
                               physics-informed task
OUT/runs/ID/checkpoints/train/ the trainer's checkpoints; only the best one after the end
OUT/runs/ID/train/             with fairchem 2: results/ and checkpoints/ of the run
OUT/runs/ID/predictions.npz    predictions of the test set at the best validation
OUT/runs/ID/result.json        the end of the run: done or diverged
OUT/runs/ID/failure.json       the last failed attempt; the next start tries again
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import file_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, read_json, read_record, write_record, write_text
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.numbers import is_finite
from ocp_dc.core.yaml_config import read_yaml, yaml_text

RUN_NAME = "train"  # name of the run in fairchem's folders
ENDINGS = ("done", "diverged")
RECORDS = ("run.json", "result.json")  # with a digest
CONFIG = "config_sha256"  # key in run.json: digest of config.yml
FILES = "files"  # key in result.json: digests of the trainer's records that the report reads
REPORTED = ("validation.csv", "losses.csv", "initial_weights.json")
# entries that are read of each file, with the types of their values
EXPECTED: dict[str, dict[str, tuple[type, ...]]] = {
    "run.json": {"id": (str,), "engine": (str,), "model": (str,), "data": (str,), "arm": (str,), "seed": (int,)},
    "result.json": {"status": (str,), "message": (str,)},
    "failure.json": {"message": (str,)},
    "job.json": {"id": (str, int), "cluster": (str,)},
    "initial_weights.json": {"parameters": (dict,)},
}


class RunFolder:
    """The folder of one run.

    Args:
        path: ``OUT/runs/ID``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def results(self) -> Path:
        """Folder of the trainer's records; in fairchem 2 the name of the run comes first."""
        named_first = self.path / RUN_NAME / "results"
        return named_first if named_first.is_dir() else self.path / "results" / RUN_NAME

    def write(self, description: dict[str, Any], config: dict[str, Any]) -> None:
        """Write the description and the config of the run; both are determined by the identifier of the run."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yml", yaml_text(config))
        write_record(self.path / "run.json", {**description, CONFIG: file_digest(self.path / "config.yml")})

    def holds(self, description: dict[str, Any], config: dict[str, Any]) -> bool:
        """Return whether the folder has the files that :meth:`write` would write."""
        try:
            written = (self.path / "config.yml").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return False
        found = self.read("run.json") or {}
        same = all(found.get(key) == value for key, value in json.loads(json.dumps(description)).items())
        return same and written == yaml_text(config)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the content of a JSON file of the run, or None if it is missing, empty or cut off.

        Raises:
            UserError: the file is damaged, or lacks an entry.
        """
        path = self.path / name
        if not path.is_file():
            return None
        if is_cut_off(path):
            logging.warning(f"{path}: is empty or cut off, and counts as missing")
            return None
        mend = f"remove {self.path} to make the run again"
        content = read_record(path, mend) if name in RECORDS else read_json(path, mend)
        if problem := _problem(name, content):
            raise UserError(f"{path}: {problem}; {mend}")
        return content

    def config(self) -> dict[str, Any]:
        """Return the run's resolved config.

        Raises:
            UserError: the file is missing or damaged.
        """
        path, mend = self.path / "config.yml", f"remove {self.path} to make the run again"
        config = read_yaml(path, f"the config of a run; {mend}")
        if (self.read("run.json") or {}).get(CONFIG, file_digest(path)) != file_digest(path):
            raise UserError(f"{path}: its content does not match run.json: it was damaged or edited; {mend}")
        return config

    def description(self) -> dict[str, Any]:
        """Return the description of the run.

        Raises:
            UserError: the folder has no description.
        """
        description = self.read("run.json")
        if description is None:
            raise UserError(f"{self.path}: no run.json; expected a folder that `ocp-dc study run` made; run it again")
        return description

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result, the last file of the run."""
        (self.path / "failure.json").unlink(missing_ok=True)
        found = {name: file_digest(self.results / name) for name in REPORTED if (self.results / name).is_file()}
        write_record(self.path / "result.json", {**result, FILES: found})

    def check_files(self, result: Mapping[str, Any]) -> None:
        """Check that the trainer's records are unchanged since the end of the run, if the result has their digests.

        Raises:
            UserError: a record is missing or was changed.
        """
        for name, noted in result.get(FILES, {}).items():
            path = self.results / name
            if not path.is_file() or file_digest(path) != noted:
                raise UserError(
                    f"{path}: differs from the file at the end of the run: it was damaged, edited or removed; restore "
                    f"it, or remove {self.path} to make the run again"
                )

    def locked(self, patience: float = 10.0) -> AbstractContextManager[None]:
        """Hold the lock of the run; it is released when the process ends.

        Args:
            patience: seconds to wait for a process that is about to end.

        Raises:
            UserError: another process holds the lock.
        """
        return folder_lock(self.path, "another process", patience)


def _problem(name: str, content: dict[str, Any]) -> str | None:
    """Return the first problem of the entries of a file that are read, or None."""
    for key, kinds in EXPECTED.get(name, {}).items():
        if key not in content:
            return f"lacks {key!r}"
        if not isinstance(content[key], kinds) or isinstance(content[key], bool):
            return f"{key}: got {content[key]!r}, expected {' or '.join(kind.__name__ for kind in kinds)}"
    if name == "result.json":
        if content["status"] not in ENDINGS:
            return f"status: got {content['status']!r}, expected {' or '.join(ENDINGS)}"
        if not isinstance(content.get(FILES, {}), dict):
            return f"{FILES}: got {content[FILES]!r}, expected names with their digests"
        for key, value in content.get("test", {}).items():
            if value is not None and not isinstance(value, dict) and not is_finite(value):
                return f"test.{key}: got {value!r}, expected a finite number or null"
    return None
