"""Write text to a standard stream that may be closed, full, or of an encoding without some characters."""

from __future__ import annotations

import contextlib
from typing import TextIO


def write_line(stream: TextIO, text: str) -> None:
    """Write a line and flush it; characters that the encoding lacks are escaped, and a closed stream is left alone."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    with contextlib.suppress(OSError, ValueError):
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
