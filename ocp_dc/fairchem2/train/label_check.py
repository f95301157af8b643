"""Labels that are missing, NaN or infinite: fairchem 2 leaves them out of loss and metrics without a word."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from ocp_dc.core.errors import UserError

MOST_EXAMINED = 1000  # structures of a split, evenly spaced; reading them takes about a second
CHUNK = 50


def check_labels(tasks: Sequence[Any], loaders: dict[str, Any], logs: bool) -> None:
    """Warn of labels that are not finite, in data sets that a task is trained on.

    Args:
        tasks: those of the training unit.
        loaders: the loader of each split.
        logs: whether this process logs.

    Raises:
        UserError: a task has no finite label at all in a split.
    """
    for split, loader in loaders.items():
        for task, (missing, examined) in zip(tasks, _count(tasks, loader), strict=True):
            if not missing:
                continue
            what = f"{split}: {missing} of {examined} examined structures have no finite {task.name}"
            if missing == examined:
                raise UserError(
                    f"{what}: the data set has no labels for this task, or a wrong name (tasks: {task.name}: property, "
                    "datasets); mend the data, or remove the task"
                )
            if logs:
                logging.warning(f"{what} (missing, NaN or infinite): fairchem leaves them out of loss and metrics")


def _count(tasks: Sequence[Any], loader: Any) -> list[tuple[int, int]]:
    """Return for each task the number of structures without a finite label, and of those examined."""
    size = len(loader.dataset)
    indices = np.unique(np.linspace(0, size - 1, min(size, MOST_EXAMINED)).astype(int))
    counts = np.zeros((len(tasks), 2), dtype=int)
    for chunk in np.array_split(indices, -(-len(indices) // CHUNK)) if size else []:
        batch = loader.collate_fn([loader.dataset[int(index)] for index in chunk])
        for row, task in enumerate(tasks):
            labeled = of_task(task, batch)
            counts[row] += (labeled & ~_has_label(task, batch)).sum(), labeled.sum()
    return [(int(missing), int(examined)) for missing, examined in counts]


def of_task(task: Any, batch: Any) -> np.ndarray:
    """Return whether each structure is in a data set of a task, bool [B], chosen as fairchem chooses them."""
    return np.array([any(part in name for part in task.datasets) for name in batch.dataset_name])


def _has_label(task: Any, batch: Any) -> np.ndarray:
    """Return whether the whole label of each structure is finite, bool [B]."""
    values = batch[task.name]
    finite = values.isfinite().reshape(len(values), -1).all(dim=1).numpy()  # [B] or [N]
    if task.level != "atom":
        return finite
    counts = batch.natoms.numpy()
    return np.logical_and.reduceat(finite, np.cumsum(counts) - counts)
