"""Text files that a run leaves beside its results."""

from __future__ import annotations

import itertools
from pathlib import Path


def keep(path: Path, text: str) -> Path:
    """Write a file, and leave one of another content alone: ``config.yml`` becomes ``config-2.yml`` then.

    A run that goes on under its name, or predicts under it, may have another config than it was started with.

    Returns:
        the path of the file that holds ``text``.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    chosen = next(p for p in itertools.chain([path], numbered) if not p.exists() or p.read_text() == text)
    chosen.write_text(text)
    return chosen
