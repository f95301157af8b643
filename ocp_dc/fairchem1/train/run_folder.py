"""Check and create the folders of a run, and lock them, so that each has one training run at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.failures import message
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.temporary import remove, remove_leftovers
from ocp_dc.core.write_errors import FULL, WriteError, reason, write_errors
from ocp_dc.training.output import job_rank

LONGEST = 200  # bytes; file systems allow 255
FLAGS = {"timestamp_id": "--timestamp-id", "identifier": "--identifier"}
JOB_PATIENCE = 60.0  # seconds that a requeued job waits for the process that was preempted


def check_names(config: Mapping[str, Any]) -> None:
    """Check the names of a run, which become names of its folders.

    Args:
        config: the resolved config: ``timestamp_id`` may be None, ``identifier`` is empty by default.

    Raises:
        UserError: a name is empty, too long, or not the name of one folder.
    """
    for key, flag in FLAGS.items():
        name = config.get(key)
        if name is None or (key == "identifier" and name == ""):
            continue
        expected = "the name of one folder, such as schnet-1: letters, digits, dots, underscores and hyphens"
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"{flag}: got {name!r}, expected {expected}")
        if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
            raise UserError(
                f"{flag}: got {name!r}, which leaves the run's folder or is not a name; expected {expected}"
            )
        if (size := len(os.fsencode(name))) > LONGEST:
            raise UserError(f"{flag}: got a name of {size} bytes, expected at most {LONGEST}")


@contextlib.contextmanager
def run_folder(config: Mapping[str, Any], patience: float = 2.0) -> Iterator[None]:
    """Create the folders of a run; for a training run with a name, lock them.

    If there are several ranks, the process that starts them holds the lock. A training run that is named after its
    start time needs no lock.

    Args:
        config: the resolved config.
        patience: seconds to wait for a process that is about to end.

    Raises:
        UserError: another training run holds the lock, or the folder cannot be created.
    """
    folder, name = Path(config["run_dir"]), config.get("timestamp_id")
    if config.get("is_debug"):  # no file is written
        yield
        return
    with write_errors(folder, "It is the run's folder, --run-dir"):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with _training_lock(folder, name, patience) if config["mode"] == "train" and name else contextlib.nullcontext():
            yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:  # a library did not name the file
            raise WriteError(f"{folder}: cannot be written: {reason(error)}") from error
        raise


@contextlib.contextmanager
def _training_lock(folder: Path, name: str, patience: float) -> Iterator[None]:
    checkpoints, results = folder / "checkpoints" / name, folder / "results" / name
    with folder_lock(checkpoints, "another training run with this --timestamp-id", patience):
        for each in (checkpoints, results):
            remove_leftovers(each)
            for partial in each.glob("*.partial"):  # of earlier versions, without a process number
                remove(partial)
        yield


@contextlib.contextmanager
def checkpoint_named(path: Path) -> Iterator[None]:
    """Add the state of the last checkpoint to the message if a training run cannot write a file.

    Args:
        path: the checkpoint; it may not exist yet.

    Raises:
        WriteError: the block could not write a file.
    """
    try:
        yield
    except (OSError, WriteError) as error:
        why = message(error)
        if why is None:
            raise
        state = "no checkpoint was written before"
        if path.is_file():
            state = f"the last checkpoint, {path}, is complete, and the same command resumes from it"
        raise WriteError(f"{why}; {state}") from error


@contextlib.contextmanager
def job_folder(config: Mapping[str, Any]) -> Iterator[None]:
    """Apply :func:`run_folder` in a submitted job, where the first rank holds the lock."""
    with run_folder(config, JOB_PATIENCE) if job_rank() == 0 else contextlib.nullcontext():
        yield
