"""Find the files of a run, finished or not, with either host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ocp_dc.core.yaml_config import read_yaml
from ocp_dc.training.run_files import FAIRCHEM2_CONFIG, find_run
from ocp_dc.training.run_folders import best_checkpoint


class Run(NamedTuple):
    """The files of a run.

    Args:
        host: ``fairchem1`` or ``fairchem2``.
        folder: ``results/ID`` of fairchem 1.10, ``RUN/ID`` of fairchem 2; reports are written into it.
        results: the folder of the records.
        config: the resolved config.
    """

    host: str
    folder: Path
    results: Path
    config: Path

    @property
    def validation(self) -> Path:
        """The CSV file with a row for each validation; it may not exist."""
        return self.results / "validation.csv"

    @property
    def checkpoint(self) -> Path | None:
        """The weights of the best validation; None before the first one."""
        return best_checkpoint(self.folder)

    def read_config(self) -> dict[str, Any]:
        """Return the config.

        Raises:
            UserError: it is damaged.
        """
        return read_yaml(self.config, "the config of a run")


def run_to_report(path_or_name: str | Path) -> Run:
    """Return the files of a run.

    Args:
        path_or_name: as of :func:`ocp_dc.training.run_files.find_run`, or a checkpoint in the folder of a run.

    Raises:
        UserError: there is no such run, or the folder has several.
    """
    path = Path(path_or_name)
    given = path.parent if path.is_file() else path
    if given.name == "results" and (given.parent / FAIRCHEM2_CONFIG).is_file():
        given = given.parent
    found = find_run(given)
    results = found.validation.parent
    if found.host == "fairchem2":
        return Run(found.host, found.folder, results, found.config)
    return Run(found.host, results, results, max(results.glob("config*.yml"), key=_number))


def _number(path: Path) -> int:
    """Return the number of a config: a resumed run with another config writes ``config-2.yml``."""
    found = re.fullmatch(r"config-(\d+)", path.stem)
    return int(found[1]) if found else 1


def source_of_split(config: Any, split: str) -> str | None:
    """Return the ``src`` of a split, ``test`` or ``val``, of a config of either host; None if it has none."""
    if isinstance(config, Mapping):
        block = config.get(split)
        if isinstance(block, Mapping) and isinstance(block.get("src"), str):
            return str(block["src"])
    values = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    return next((found for value in values if (found := source_of_split(value, split)) is not None), None)
