"""Processes that end with the one that started them: what it held, the lock of a folder say, is gone with it."""

from __future__ import annotations

import os
import threading
import time

INTERVAL = 1.0  # seconds
INTERRUPTED = 130  # exit status, as after Ctrl-C


def end_with_parent(parent: int) -> None:
    """End this process within a second when its parent is gone, killed perhaps; the next start goes on.

    Args:
        parent: the process that started this one.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL)
    os._exit(INTERRUPTED)
