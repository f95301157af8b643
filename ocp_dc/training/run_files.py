"""The files of a training run, and how a run is found by its folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ocp_dc.core.errors import UserError, nearest

PARENT = Path("runs")  # where a run is looked for by its name
FAIRCHEM2_CONFIG = "canonical_config.yaml"


class RunFiles(NamedTuple):
    """The files of a training run.

    Attributes:
        host: the host that trained it, ``fairchem1`` or ``fairchem2``.
        out: the folder in which the run was started: ``--run-dir`` of fairchem 1.10, ``job.run_dir`` of fairchem 2.
        name: the name of the run.
        best_checkpoint: the weights of the best validation.
        validation: the CSV file with a row for each validation.
        state: a file or a folder from which the run can continue.
        config: the resolved config.
    """

    host: str
    out: Path
    name: str
    best_checkpoint: Path
    validation: Path
    state: Path
    config: Path

    @property
    def folder(self) -> Path:
        """The folder that is the run's own, by which :func:`find_run` finds it."""
        if self.host == "fairchem2":
            return self.out / self.name
        return self.out if self.out.name == self.name else self.validation.parent


def fairchem1_files(out: Path, name: str) -> RunFiles:
    """Return the files of a run of fairchem 1.10, given its ``--run-dir`` and its ``--timestamp-id``."""
    checkpoints, results = out / "checkpoints" / name, out / "results" / name
    return RunFiles(
        "fairchem1",
        out,
        name,
        best_checkpoint=checkpoints / "best_checkpoint.pt",
        validation=results / "validation.csv",
        state=checkpoints / "checkpoint.pt",
        config=results / "config.yml",
    )


def fairchem2_files(out: Path, name: str) -> RunFiles:
    """Return the files of a run of fairchem 2, given its ``job.run_dir`` and its ``job.timestamp_id``."""
    folder = out / name
    return RunFiles(
        "fairchem2",
        out,
        name,
        best_checkpoint=folder / "results" / "best_inference_ckpt.pt",
        validation=folder / "results" / "validation.csv",
        state=folder / "checkpoints",
        config=folder / FAIRCHEM2_CONFIG,
    )


def with_name(run: RunFiles, name: str) -> RunFiles:
    """Return the files of a run beside another one, in a folder like that of the other."""
    if run.host == "fairchem2":
        return fairchem2_files(run.out, name)
    return fairchem1_files(run.out.parent / name if run.folder == run.out else run.out, name)


def find_run(run: str | Path) -> RunFiles:
    """Return the files of the run that a folder or a name stands for.

    Args:
        run: ``runs/first``, or ``first`` for a run in the folder ``runs``. With fairchem 1.10 also ``checkpoints/ID``
            or ``results/ID`` of a run, and its ``--run-dir`` if that holds one run only.

    Raises:
        UserError: there is no such run, or the folder holds several.
    """
    path = Path(run)
    places = [path] if path.is_absolute() else [path, PARENT / path]
    for place in places:
        if not place.is_dir():
            continue
        found = _runs_in(place)
        if len(found) > 1:
            names = ", ".join(str(each.validation.parent) for each in found)
            raise UserError(f"{run}: holds several runs; name one of {names}")
        if found:
            return found[0]
    known = sorted(each.name for each in PARENT.iterdir() if each.is_dir()) if PARENT.is_dir() else []
    raise UserError(
        f"{run}: no run of this name; expected the folder of a run, such as runs/first.{nearest(path.name, known)}"
    )


def _runs_in(folder: Path) -> list[RunFiles]:
    if (folder / FAIRCHEM2_CONFIG).is_file():
        resolved = folder.resolve()
        return [fairchem2_files(folder.parent if folder.name == resolved.name else resolved.parent, resolved.name)]
    resolved = folder.resolve()
    if resolved.parent.name in ("results", "checkpoints"):
        found = fairchem1_files(resolved.parents[1], resolved.name)
        return [found] if found.config.is_file() else []
    configs = sorted(folder.glob("results/*/config.yml"))
    return [fairchem1_files(folder, config.parent.name) for config in configs]
