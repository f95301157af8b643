"""Whether the operations of the moment are recorded for compilation, and not computed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_is_traced: ContextVar[bool] = ContextVar("is_traced", default=False)


def is_traced() -> bool:
    """Return whether the operations of the caller are recorded.

    A compiler fuses plain operations by itself. Code that saves memory or time in eager mode, such as operations on
    reused memory, gives it less to fuse, and cannot be differentiated after tracing.
    """
    return _is_traced.get()


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Let :func:`is_traced` be true within the block."""
    token = _is_traced.set(True)
    try:
        yield
    finally:
        _is_traced.reset(token)
