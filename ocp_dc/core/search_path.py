"""Where processes that this one starts look for modules: as this one, not in the working folder as well."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SAFE = "PYTHONSAFEPATH"  # Python 3.10 does not know it


def child_environment() -> dict[str, str]:
    """Return what the environment of a child needs so that it imports nothing from the working folder.

    ``python -m`` and spawned processes put that folder first, and a ``torch.py`` in it would run. It is empty where
    this process looks there itself: what it imports, the child needs.
    """
    try:
        here = {"", ".", str(Path.cwd())}
    except OSError:  # the folder was removed
        here = {"", "."}
    return {} if here & set(sys.path) else {SAFE: "1"}


def share_with_children() -> None:
    """Let every process that this one starts from now on look for modules where this one does."""
    os.environ.update(child_environment())
