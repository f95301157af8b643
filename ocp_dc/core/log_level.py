"""The level of the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def raised_log_level(level: int) -> Iterator[None]:
    """Hide messages below a level within the block; afterwards the user's level, such as ``$LOGLEVEL``, holds again.

    Args:
        level: such as ``logging.WARNING``; a higher level of the user remains in force.
    """
    root = logging.getLogger()
    before = root.level
    root.setLevel(max(level, before))
    try:
        yield
    finally:
        root.setLevel(before)
