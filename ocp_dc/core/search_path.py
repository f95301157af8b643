"""The search path of child processes: the same as in this process, without the working folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SAFE = "PYTHONSAFEPATH"  # Python 3.10 does not know it


def child_environment() -> dict[str, str]:
    """Return environment variables that keep a child process from importing from the working folder.

    ``python -m`` and spawned processes put that folder first, so that a ``torch.py`` in it would run. The result is
    empty if this process itself imports from the folder, since the child needs the same modules.
    """
    try:
        here = {"", ".", str(Path.cwd())}
    except OSError:  # the folder was removed
        here = {"", "."}
    return {} if here & set(sys.path) else {SAFE: "1"}


def share_with_children() -> None:
    """Set the environment variables of :func:`child_environment` for all processes started from now on."""
    os.environ.update(child_environment())
