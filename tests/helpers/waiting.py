"""Waiting for other processes: for a condition, with a bound that a busy machine does not reach."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST = 600.0  # seconds


def wait_for(condition: Callable[[], bool], every: float = 0.05) -> None:
    """Return once a condition holds; it is looked at each ``every`` seconds."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, f"not within {LONGEST:.0f} s"
        time.sleep(every)
