"""Metrics on several ranks: fairchem repeats structures to give all ranks equally many; here each counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairchem.core.common import gp_utils


def repeated_batch(loader: Any) -> Any:
    """Return a batch of the structures that a loader repeats on another rank; None if it repeats none.

    Args:
        loader: the loader of a split, or None.
    """
    repeated = [] if loader is None else repeated_indices(loader.batch_sampler.sampler)
    if not repeated or gp_utils.initialized():
        return None
    return loader.collate_fn([loader.dataset[index] for index in repeated])


def subtract_repeats(summed: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics without the structures that were counted twice.

    The loss, which ``extra`` does not have, remains the mean over batches.

    Args:
        summed: fairchem's sums over all ranks.
        extra: the sums of the repeated structures.
    """
    counted_once = dict(summed)
    for name, values in extra.items():
        total, numel = (summed[name][key] - values[key] for key in ("total", "numel"))
        counted_once[name] = {"total": total, "numel": numel, "metric": total / numel}
    return counted_once


def repeated_indices(sampler: Any) -> list[int]:
    """Return the indices that a sampler without shuffling repeats so that all ranks have equally many."""
    count = len(sampler.dataset)
    return [index % count for index in range(count, sampler.total_size)]
