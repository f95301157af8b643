"""Metrics on several ranks: fairchem fills ranks up with structures that others have, and these count once here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from fairchem.core.common import gp_utils


@contextlib.contextmanager
def counted_once(trainer: Any, split: str) -> Iterator[None]:
    """Let the sums of a validation hold each structure of the split once, within this block.

    The loss remains the mean over batches.

    Args:
        trainer: the trainer, which sums the metrics of the ranks.
        split: val or test.
    """
    loader = trainer.val_loader if split == "val" else trainer.test_loader
    repeated = [] if loader is None else repeated_indices(loader.batch_sampler.sampler)
    if not repeated or gp_utils.initialized():
        yield
        return
    stock = trainer._aggregate_metrics

    def aggregate(metrics: dict[str, Any]) -> dict[str, Any]:
        summed: dict[str, Any] = stock(metrics)
        batch = loader.collate_fn([loader.dataset[index] for index in repeated])
        with torch.autocast("cuda", enabled=trainer.scaler is not None):
            out = trainer._forward(batch)  # on every rank: its wrapper waits for all
        for name, extra in trainer._compute_metrics(out, batch, trainer.evaluator, {}).items():
            total, numel = (summed[name][key] - extra[key] for key in ("total", "numel"))
            summed[name] = {"total": total, "numel": numel, "metric": total / numel}
        return summed

    trainer._aggregate_metrics = aggregate
    try:
        yield
    finally:
        del trainer._aggregate_metrics


def repeated_indices(sampler: Any) -> list[int]:
    """Return the structures that a sampler without shuffling gives out once more, so that ranks have equally many."""
    count = len(sampler.dataset)
    return [index % count for index in range(count, sampler.total_size)]
