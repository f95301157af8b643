"""The metrics of a validation of fairchem 2, over all ranks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fairchem.core.common import distutils

from ocp_dc.core.errors import unknown_name


def metric_names(tasks: Sequence[Any], datasets: Sequence[str]) -> list[str]:
    """Return the names of the metrics: ``loss``, ``PROPERTY_METRIC``, and ``DATASET.PROPERTY_METRIC`` of several sets.

    Args:
        tasks: those of the unit.
        datasets: the names of the validation sets, with their split, such as ``oc20.val``.
    """
    names = ["loss"]
    for task in tasks:
        for dataset in _datasets_of(task, datasets):
            names += [name for metric in task.metrics for name in _names(task, dataset, metric, len(datasets) > 1)]
    return list(dict.fromkeys(names))


def check_primary(primary: str, tasks: Sequence[Any], datasets: Sequence[str]) -> None:
    """Check that a metric exists; raises UserError with the names that do."""
    known = metric_names(tasks, datasets)
    if primary not in known:
        raise unknown_name("primary_metric", primary, known)


def validation_metrics(eval_unit: Any) -> dict[str, float]:
    """Return the metrics of the validation that has just ended, in physical units; ``loss`` is on scaled labels.

    A metric of a property is the mean over all its data sets. All ranks call this function.

    Args:
        eval_unit: the unit that validated; it holds sums and counts of this rank.
    """
    loss = eval_unit.total_loss_metrics
    sums: dict[str, list[float]] = {"loss": [float(loss.total), loss.numel]}
    datasets = sorted({name for by_dataset in eval_unit.running_metrics.values() for name in by_dataset})
    for task in eval_unit.tasks:
        for dataset, metrics in sorted(eval_unit.running_metrics[task.name].items()):
            for metric in task.metrics:
                for name in _names(task, dataset, metric, len(datasets) > 1):
                    found = sums.setdefault(name, [0.0, 0])
                    found[0] += float(metrics[metric].total)
                    found[1] += metrics[metric].numel
    numbers = [float(number) for pair in sums.values() for number in pair]
    # of several ranks they come back as an array
    values = [float(value) for value in distutils.all_reduce(numbers, device=distutils.get_device_for_local_rank())]
    pairs = zip(sums, values[::2], values[1::2], strict=True)
    return {name: total / count if count else math.nan for name, total, count in pairs}


def _datasets_of(task: Any, datasets: Sequence[str]) -> list[str]:
    """Return the sets that a task is evaluated on, chosen as fairchem chooses them."""
    return [name for name in datasets if any(part in name for part in task.datasets)]


def _names(task: Any, dataset: str, metric: str, several: bool) -> list[str]:
    name = f"{task.property}_{metric}"
    return [name, f"{dataset.rpartition('.')[0] or dataset}.{name}"] if several else [name]
