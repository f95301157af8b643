"""The amount of output of a run, as the user chose it; processes that a run starts inherit it."""

from __future__ import annotations

import os

QUIET, NORMAL, VERBOSE = "quiet", "normal", "verbose"
VARIABLE = "OCP_DC_OUTPUT"  # environment variable: one of them


def chosen() -> str | None:
    """Return the amount of output that the user chose; None outside ``ocp-dc main``."""
    return os.environ.get(VARIABLE)


def bars_disabled(hidden: bool = False) -> bool | None:
    """Return the argument ``disable`` of tqdm: None, which shows a bar on a terminal only, or True.

    Args:
        hidden: whether the caller hides the bar.
    """
    return True if hidden or chosen() == QUIET else None
