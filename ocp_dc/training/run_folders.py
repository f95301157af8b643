"""Find the checkpoint of a run from its folder or its name, and those of the arm of a study."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ocp_dc.core.errors import UserError, nearest, unknown_name
from ocp_dc.core.files import read_record

# the best checkpoint, relative to a folder that a user may name as a run; the first pattern with a file counts
PATTERNS = (
    "best_checkpoint.pt",  # checkpoints/ID of fairchem 1.10
    "best_inference_ckpt.pt",  # the results of fairchem 2
    "results/best_inference_ckpt.pt",
    "checkpoints/*/best_checkpoint.pt",  # the --run-dir of fairchem 1.10, and a run of a study
    "*/results/best_inference_ckpt.pt",  # the job.run_dir of fairchem 2, and a run of a study
)
PARENTS = ("runs", "checkpoints", "runs/checkpoints")  # where the runs of the current folder are
Names = str | Path | Sequence[str | Path]


def find_checkpoints(names: Names) -> list[Path]:
    """Return the checkpoints that names stand for: one for each, and all of the arm of a study.

    Args:
        names: one name or several; each is one of :func:`find_checkpoint`, or ``STUDY:ARM`` as in
            :func:`arm_checkpoints`.

    Raises:
        UserError: there are no names, a name is not found, or a checkpoint is named twice.
    """
    names = [names] if isinstance(names, str | Path) else list(names)
    found: list[Path] = []
    for name in names:
        folder, colon, arm = str(name).rpartition(":")
        if colon and not Path(name).exists() and Path(folder, "runs").is_dir():
            found += arm_checkpoints(Path(folder), arm)
        else:
            found.append(find_checkpoint(name))
    if not found:
        raise UserError("got no checkpoint, expected at least one")
    for path in found:
        if found.count(path) > 1:
            raise UserError(f"checkpoint {path}: is named twice; expected different checkpoints")
    return found


def find_checkpoint(path_or_name: str | Path) -> Path:
    """Return the checkpoint that a path or a name stands for.

    Args:
        path_or_name: a checkpoint, which is returned as it is; or the folder of a run, whose best checkpoint is
            returned; or the name of a run in ``runs`` or ``checkpoints`` of the current folder. The folder of a run is
            ``checkpoints/ID`` or ``results/ID`` with fairchem 1.10, and ``runs/ID`` with fairchem 2.

    Raises:
        UserError: nothing of that name exists, the run has no checkpoint yet, or the folder has those of several runs.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    places = [path] if path.is_absolute() else [path, *(Path(parent) / path for parent in PARENTS)]
    folders = [place for place in places if place.is_dir()]
    for folder in folders:
        if (found := best_checkpoint(folder)) is not None:
            return found
    if folders:
        raise UserError(_without_best(folders[0]))
    known = _known_runs()
    listed = f" ({', '.join(known)})" if known else ""
    raise UserError(
        f"checkpoint {path}: no such file; expected a checkpoint, the folder of a run, or the name of a run in "
        f"{' or '.join(PARENTS[:2])} of this folder{listed}.{nearest(path, known)}"
    )


def arm_checkpoints(study: Path, arm: str) -> list[Path]:
    """Return the best checkpoints of the finished runs of one arm of a study, in the order of their seeds.

    Args:
        study: the folder of the study.
        arm: the arm; or ``MODEL/ARM``, ``DATA/ARM`` or ``MODEL/DATA/ARM`` where the study has several of them.

    Raises:
        UserError: the study has no such arm, the arm has runs of several models or data sets, or no run is finished.
    """
    runs = [
        (path.parent, read_record(path, f"remove {path.parent} to make the run again"))
        for path in sorted(study.glob("runs/*/run.json"))
    ]
    exact = any(run["arm"] == arm for _, run in runs)  # the name of an arm may have slashes
    parts = {arm} if exact else set(arm.split("/"))
    chosen = [(folder, run) for folder, run in runs if parts <= {run["model"], run["data"], run["arm"]}]
    if not chosen:
        raise unknown_name(f"arm of {study}", arm, {name for _, run in runs for name in (run["arm"], _full_name(run))})
    groups = sorted({_full_name(run) for _, run in chosen})
    if len(groups) > 1:
        raise UserError(f"{study}:{arm}: got the runs of {', '.join(groups)}; expected one of these after the colon")
    chosen.sort(key=lambda pair: (pair[1]["seed"], str(pair[0])))
    finished = [folder for folder, _ in chosen if _is_done(folder)]
    if not finished:
        raise UserError(f"{study}:{arm}: none of its {len(chosen)} runs is finished; run the study first")
    if len(finished) < len(chosen):
        logging.warning(
            f"{study}:{arm}: {len(finished)} of its {len(chosen)} runs are finished; the others are left out"
        )
    return [find_checkpoint(folder) for folder in finished]


def best_checkpoint(folder: Path) -> Path | None:
    """Return the best checkpoint of the run of a folder, or None.

    Raises:
        UserError: the folder has those of several runs.
    """
    resolved = folder.resolve()
    for pattern in PATTERNS:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            names = ", ".join(str(path.parent) for path in found)
            raise UserError(f"checkpoint {folder}: holds several runs; expected one. Name one of {names}")
        if found:
            return found[0]
    beside = folder.parent.parent / "checkpoints" / resolved.name / "best_checkpoint.pt"
    return beside if resolved.parent.name == "results" and beside.is_file() else None


def _without_best(folder: Path) -> str:
    if any(folder.glob("runs/*/run.json")):
        return f"checkpoint {folder}: is a study; name one of its arms after a colon, as in {folder}:ARM"
    last = folder / "checkpoint.pt"
    hint = f". Name {last} for the last state" if last.is_file() else ""
    return (
        f"checkpoint {folder}: is a folder without best_checkpoint.pt (fairchem 1.10) or "
        f"results/best_inference_ckpt.pt (fairchem 2), which the first validation of a run writes{hint}"
    )


def _known_runs() -> list[str]:
    """Return the names of the runs in the current folder that have a best checkpoint."""
    found = {
        path.name
        for parent in PARENTS
        if Path(parent).is_dir()
        for path in Path(parent).iterdir()
        if path.is_dir() and any(any(path.glob(pattern)) for pattern in PATTERNS[:3])
    }
    return sorted(found)


def _full_name(run: dict[str, str]) -> str:
    return f"{run['model']}/{run['data']}/{run['arm']}"


def _is_done(folder: Path) -> bool:
    result = folder / "result.json"
    return result.is_file() and read_record(result, f"remove {folder} to make the run again")["status"] == "done"
