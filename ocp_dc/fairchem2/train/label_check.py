"""Missing or not finite labels, and unknown elements: fairchem 2 leaves them out of the loss without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ase.data import chemical_symbols

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


def check_elements(tasks: Sequence[Any], loaders: dict[str, Any]) -> None:
    """Check that each element of a split has a reference energy: that of an element without training data is NaN.

    fairchem leaves such structures out of the loss without a word, and the errors of the energy are NaN.

    Args:
        tasks: those of the training unit.
        loaders: the loader of each split.

    Raises:
        UserError: an element has none.
    """
    for split, loader in loaders.items():
        for batch in _batches(loader):
            for task in (task for task in tasks if task.element_references is not None):
                chosen = np.repeat(of_task(task, batch), batch.natoms.numpy())  # [N]
                numbers = batch.atomic_numbers.numpy()[chosen]
                references = task.element_references.element_references.numpy(force=True)
                unknown = np.unique(numbers[~np.isfinite(references[numbers])])
                if unknown.size:
                    raise UserError(
                        f"{split}: has the elements {', '.join(chemical_symbols[number] for number in unknown)}, which "
                        f"have no reference energy, since the training data do not have them (task {task.name}). Move "
                        "such structures to the training data, remove them, or set label_rescaling.center=mean"
                    )


def _count(tasks: Sequence[Any], loader: Any) -> list[tuple[int, int]]:
    """Return for each task the number of structures without a finite label, and of those examined."""
    counts = np.zeros((len(tasks), 2), dtype=int)
    for batch in _batches(loader):
        for row, task in enumerate(tasks):
            labeled = of_task(task, batch)
            counts[row] += (labeled & ~_has_label(task, batch)).sum(), labeled.sum()
    return [(int(missing), int(examined)) for missing, examined in counts]


def _batches(loader: Any) -> Iterator[Any]:
    """Yield batches of the examined structures of a split."""
    size = len(loader.dataset)
    indices = np.unique(np.linspace(0, size - 1, min(size, MOST_EXAMINED)).astype(int))
    for chunk in np.array_split(indices, -(-len(indices) // CHUNK)) if size else []:
        yield loader.collate_fn([loader.dataset[int(index)] for index in chunk])


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
