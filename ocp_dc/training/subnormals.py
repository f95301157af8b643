"""Flush subnormal numbers to zero while a network runs on a CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def flushed_subnormals() -> Iterator[None]:
    """Flush subnormal numbers to zero within this block, in this thread.

    The tails of Gaussian basis functions are subnormal (below 1e-38 in float32), and a matrix product with such numbers
    takes up to ten times as long on a CPU. With flushing, a training step of SchNet takes a third of the time
    (``benchmarks/training_step.py``).
    """
    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    """Return whether this thread flushes subnormals; torch has no function for it, so compute a product."""
    return float(torch.tensor(1e-310, dtype=torch.float64) * 1.0) == 0.0
