"""SHA-256 digests of texts, of plain data and of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DIGEST = "sha256"  # key in a record of the digest of all its other entries
BLOCK = 1 << 20  # bytes read at a time


def text_digest(text: str) -> str:
    """Return the digest of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def content_digest(content: Mapping[str, Any]) -> str:
    """Return a digest of plain data that does not depend on the order and spacing of a JSON file."""
    return text_digest(json.dumps(content, sort_keys=True, separators=(",", ":")))


def file_digest(*paths: Path) -> str:
    """Return the digest of the bytes of files, one file after another."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
