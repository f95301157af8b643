"""Files that are written whole or not at all: texts, strict JSON, CSV, records with a digest; a strict JSON reader."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ocp_dc.core import temporary
from ocp_dc.core.digests import DIGEST, content_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.write_errors import write_errors

FORMULA = tuple("=+-@\t\n＝＋－＠")  # first characters of cells that a spreadsheet takes for a formula (OWASP)
BLANKS = " \0\t\n\u00a0\u200b\u2060\ufeff"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file in the folder of ``path``, and replace ``path`` with it when the block succeeds.

    The folder is created if it does not exist. When the block fails, an older file at ``path`` remains unchanged; after
    a power cut there is the old file or the new one, whole. A link at ``path`` is replaced, and its target is not
    changed. Temporary files of ``path`` that a killed process left are removed.

    Args:
        path: the file to write.

    Raises:
        WriteError: the file cannot be written: no space, no permission, a folder of that name.
    """
    path = Path(path)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = temporary.new_file(path)
        try:
            yield new
            _sync(new)
            new.replace(path)
        finally:
            temporary.remove(new)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it becomes ``path`` when the block succeeds, else it is removed.

    Raises:
        WriteError: a file in it cannot be written, or ``path`` exists by then and is not empty.
    """
    path = Path(path)
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = temporary.new_folder(path)
        try:
            yield new
            new.replace(path)
        finally:
            temporary.remove(new)


def _sync(path: Path) -> None:
    """Wait until the content is on the disk; without that, a power cut may leave an empty file under the name."""
    with path.open("r+b" if os.name == "nt" else "rb") as file:  # Windows wants a writable handle
        os.fsync(file.fileno())


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as new:  # file names may contain bytes that are not valid UTF-8
        new.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | Path, data: Any) -> None:
    """Write strict JSON, see :func:`json_text`."""
    write_text(path, json_text(data) + "\n")


def json_text(data: Any) -> str:
    """Return strict JSON: NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)


def write_record(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write strict JSON with a digest, for results that later commands read."""
    content = json.loads(json.dumps(_finite(data), allow_nan=False))  # as :func:`read_json` returns it
    write_json(path, {**content, DIGEST: content_digest(content)})


def read_record(path: str | Path, mend: str) -> dict[str, Any]:
    """Return the content of a file of :func:`write_record`, without the digest; arguments as of :func:`read_json`.

    A record of an earlier version has no digest and is not verified.

    Raises:
        UserError: the file cannot be read, or its content does not match the digest.
    """
    content = read_json(path, mend)
    noted = content.pop(DIGEST, None)
    if noted is not None and noted != content_digest(content):
        raise UserError(
            f"{path}: its content does not match its {DIGEST}: the file was damaged or edited; {mend}. If you edited "
            f"it on purpose, remove the entry {DIGEST!r}"
        )
    return content


def is_cut_off(path: str | Path) -> bool:
    """Return whether a JSON file is empty or ends too early, as after a kill during a write that was not atomic."""
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip(" \t\r\n\0")
        json.loads(text)
    except json.JSONDecodeError as error:
        return not text or (text.startswith("{") and (not text.endswith("}") or error.pos >= len(text)))
    except (OSError, UnicodeDecodeError, RecursionError):
        return False
    return False


def read_json(path: str | Path, mend: str) -> dict[str, Any]:
    """Return the JSON object in a file, read strictly: no NaN, no infinity, no key twice.

    Args:
        path: the file.
        mend: how the user can replace a damaged file, for the message.

    Raises:
        UserError: the file is missing, empty, damaged, or its top level is not an object.
    """
    path = Path(path)
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_no_constant,
            parse_float=_finite_float,
            object_pairs_hook=_unique_keys,
        )
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); {mend}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: got a JSON {type(content).__name__}, expected an object; {mend}")
    return content


def _no_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite_float(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text} is too large for a number")
    return number


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a key is repeated in one object")
    return content


def write_csv(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows under a header of the keys of the first row; floats keep all digits.

    An apostrophe is put before a text that a spreadsheet would take for a formula: ``=1+1`` becomes ``'=1+1``.

    Raises:
        UserError: there are no rows, or their keys differ.
    """
    if not rows:
        raise UserError(f"{path}: got no rows to write, expected at least one")
    header = list(rows[0])
    for row in rows:
        if list(row) != header:
            raise UserError(f"{path}: got a row with the columns {list(row)}, expected {header} as in the first")
    with replacing(path) as new, new.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([[_cell(value) for value in row] for row in (header, *(row.values() for row in rows))])


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")  # Python's writer does not quote line ends
    with suppress(ValueError):
        float(value)
        return value  # a number, perhaps with a sign
    visible = value.lstrip(BLANKS).lstrip()  # some programs drop leading blanks
    return f"'{value}" if value.startswith(FORMULA) or visible.startswith(FORMULA) else value


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
