"""An unmodified fairchem-core, edits to it, and the diff."""

from __future__ import annotations

import base64
import difflib
import hashlib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

VERSION = "1.10.0"
CORE = "fairchem/core"


def installed() -> tuple[Path, dict[str, str]]:
    """Return the folder of ``fairchem/core``, and the recorded sha256 of its files.

    Raises:
        SystemExit: fairchem-core of another version is installed.
    """
    wheel = distribution("fairchem-core")
    if wheel.version != VERSION:
        raise SystemExit(f"the patches are for fairchem-core {VERSION}, found {wheel.version}")
    files = [file for file in wheel.files or () if file.as_posix().startswith(f"{CORE}/") and file.hash]
    return Path(str(wheel.locate_file(""))), {file.as_posix(): file.hash.value for file in files if file.hash}


class Tree:
    """The Python files of fairchem/core with the edits of one patch; paths are relative to fairchem/core.

    Files are compared with the record of the wheel before they are edited, so that a diff applies to the release.
    """

    def __init__(self) -> None:
        self._root, self._recorded = installed()
        self._edited: dict[str, str] = {}
        self._pristine: dict[str, str] = {}

    def python_files(self) -> Iterator[str]:
        """Yield the paths of all Python files, sorted."""
        yield from sorted(name.removeprefix(f"{CORE}/") for name in self._recorded if name.endswith(".py"))

    def text(self, path: str) -> str:
        """Return the content of a file with the edits so far.

        Raises:
            SystemExit: the installed file differs from the release.
        """
        if path not in self._edited:
            data = (self._root / CORE / path).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            if digest != self._recorded[f"{CORE}/{path}"]:
                raise SystemExit(f"{self._root / CORE / path} is not the file of the release: reinstall fairchem-core")
            self._edited[path] = self._pristine[path] = data.decode()
        return self._edited[path]

    def write(self, path: str, text: str) -> None:
        """Replace the content of a file, or add a new file."""
        if f"{CORE}/{path}" in self._recorded:
            self.text(path)
        self._edited[path] = text

    def replace(self, path: str, old: str, new: str, times: int = 1) -> None:
        """Replace a text that occurs in the file exactly ``times`` times.

        Raises:
            SystemExit: the text occurs more or less often.
        """
        text = self.text(path)
        if text.count(old) != times:
            raise SystemExit(f"{path}: expected {times} times, found {text.count(old)} times:\n{old}")
        self.write(path, text.replace(old, new))

    def diff(self) -> str:
        """Return the edits as a unified diff whose paths begin with ``a/fairchem/core`` and ``b/fairchem/core``."""
        return "".join("".join(self._diff_of(path)) for path in sorted(self._edited))

    def _diff_of(self, path: str) -> Iterator[str]:
        old, new = self._pristine.get(path), self._edited[path]
        name = f"a/{CORE}/{path}" if old is not None else "/dev/null"
        return difflib.unified_diff(_lines(old or ""), _lines(new), name, f"b/{CORE}/{path}")


def _lines(text: str) -> list[str]:
    if text and not text.endswith("\n"):
        raise SystemExit("a file without a newline at its end: the diff would need a mark for it")
    return text.splitlines(keepends=True)
