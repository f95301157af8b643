"""The level of the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def raised_log_level(level: int) -> Iterator[None]:
    """Hide messages below a level within the block, in addition to the user's level, such as ``$LOGLEVEL``.

    Args:
        level: such as ``logging.WARNING``; a higher level of the user remains in force.
    """
    before = logging.root.manager.disable
    logging.disable(max(level - 1, before))  # not the root's level, which fairchem sets while it is imported
    try:
        yield
    finally:
        logging.disable(before)
