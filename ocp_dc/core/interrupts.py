"""Ctrl-C that takes effect at the end of a training step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def deferred_sigint() -> Iterator[Callable[[], bool]]:
    """Defer Ctrl-C: the first one only sets a flag, the second one interrupts at once.

    Outside the main thread, where Python allows no signal handlers, Ctrl-C is not deferred.

    Yields:
        a function that returns whether Ctrl-C was pressed.
    """
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def request(number: int, frame: FrameType | None) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, request)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
