"""End a process whose parent is dead: the parent's locks are released, and another process may take them."""

from __future__ import annotations

import os
import threading
import time

INTERVAL = 1.0  # seconds
INTERRUPTED = 130  # exit status, as after Ctrl-C


def end_with_parent(parent: int) -> None:
    """End this process within a second after the death of its parent, for example by a kill.

    Args:
        parent: the process that started this one.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL)
    os._exit(INTERRUPTED)
