"""Find the files of a run, finished or not, with either host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ocp_dc.core.errors import UserError
from ocp_dc.core.yaml_config import read_yaml
from ocp_dc.training.run_folders import PARENTS, best_checkpoint

FAIRCHEM2_CONFIG = "canonical_config.yaml"
BELOW = ("results/*", "*")  # folders of runs, relative to what a user names
PLACES = (*PARENTS, "results", "runs/results")  # where the runs of the current folder are


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


def find_run(path_or_name: str | Path) -> Run:
    """Return the files of a run.

    Args:
        path_or_name: the folder of a run: ``results/ID`` or ``checkpoints/ID`` of fairchem 1.10, ``RUN/ID`` of fairchem
            2, or the ``--run-dir`` or ``job.run_dir`` of one run; or the name of a run in ``runs``, ``results`` or
            ``checkpoints`` of the current folder; or a checkpoint in one of these folders.

    Raises:
        UserError: there is no such run, or the folder has several.
    """
    path = Path(path_or_name)
    given = path.parent if path.is_file() else path
    places = [given] if given.is_absolute() else [given, *(Path(parent) / given for parent in PLACES)]
    for place in places:
        found = list(dict.fromkeys(_runs(place)))
        if len(found) > 1:
            names = ", ".join(str(run.folder) for run in found)
            raise UserError(f"run {place}: holds several runs; expected one. Name one of {names}")
        if found:
            return found[0]
    raise UserError(
        f"run {path}: expected the folder of a run, such as runs/results/ID (fairchem 1.10) or runs/ID (fairchem 2), "
        f"with its config, or the name of a run in {', '.join(PLACES)} of this folder"
    )


def _runs(place: Path) -> Iterator[Run]:
    """Yield the runs of a folder that a user may name as one."""
    if not place.is_dir():
        return
    if place.name == "results" and (place.parent / FAIRCHEM2_CONFIG).is_file():
        place = place.parent
    resolved = place.resolve()
    if resolved.parent.name == "checkpoints":  # of fairchem 1.10
        place = resolved.parent.parent / "results" / resolved.name
    for folders in ([place], *(sorted(place.glob(pattern)) for pattern in BELOW)):
        found = [run for folder in folders if (run := _run(folder)) is not None]
        yield from found
        if found:
            return


def _run(folder: Path) -> Run | None:
    if (folder / FAIRCHEM2_CONFIG).is_file():
        return Run("fairchem2", folder, folder / "results", folder / FAIRCHEM2_CONFIG)
    if folder.resolve().parent.name == "results" and (configs := sorted(folder.glob("config*.yml"), key=_number)):
        return Run("fairchem1", folder, folder, configs[-1])
    return None


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
