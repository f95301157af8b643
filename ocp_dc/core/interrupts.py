"""Ctrl-C that waits for the end of a training step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def finishing_the_step() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C wait for the end of a step; a second one stops at once. Outside the main thread it acts as ever.

    Yields:
        a function that tells whether Ctrl-C was pressed.
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
