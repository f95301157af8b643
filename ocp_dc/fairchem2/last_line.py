"""Repeat the message of an error of ocp_dc as the last line of the stock ``fairchem`` command, after the traceback.

Importing it is light: hydra's plugin does so in every program.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ocp_dc.core.errors import own_error

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def repeat_own_errors() -> None:
    """Extend ``sys.excepthook``, unless that was done before.

    hydra and OmegaConf wrap an error, and the last line of the traceback then names a key of the config.
    """
    if getattr(sys.excepthook, "func", None) is not _repeat:
        sys.excepthook = functools.partial(_repeat, sys.excepthook)


def _repeat(before: Hook, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    before(kind, error, traceback)
    if (ours := own_error(error)) is not None:
        print(f"error: {ours}", file=sys.stderr)
