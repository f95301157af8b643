"""Writing results: a file appears whole or not at all."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocp_dc.errors import UserError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; it takes the place of ``path`` when the block succeeds.

    The folder is made where it does not exist. When the block fails, an older file at ``path`` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, data: Any) -> None:
    """Write strict JSON: NaN and infinities, which JSON does not have, become null."""
    with replacing(path) as temporary:
        text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows under a header that holds the keys of the first; floats keep every digit.

    Raises:
        UserError: there are no rows, or their keys differ.
    """
    if not rows:
        raise UserError(f"{path}: got no rows to write, expected at least one")
    header = list(rows[0])
    for row in rows:
        if list(row) != header:
            raise UserError(f"{path}: got a row with the columns {list(row)}, expected {header} as in the first")
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
