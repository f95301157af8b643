"""The log file of a run, which begins before the folder of the run is known."""

from __future__ import annotations

import collections
import contextlib
import logging
from pathlib import Path
from typing import TextIO

from ocp_dc.core.write_errors import reason, write_errors

FORMAT = "%(asctime)s %(pathname)s:%(lineno)d: (%(levelname)s): %(message)s"  # fairchem's
DATES = "%Y-%m-%d %H:%M:%S"
NAME = "fairchem.log"
LONGEST_WAIT = 10_000  # records that are kept until the file is opened


class LogFile(logging.Handler):
    """Keep records until :meth:`open` names the file, then write them, and all that follow, at its end.

    A file that can no longer be written ends the log with a warning, not the run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT, DATES))
        self._waiting: collections.deque[str] = collections.deque(maxlen=LONGEST_WAIT)
        self._file: TextIO | None = None
        self._failed = False

    def open(self, path: Path) -> None:
        """Write to this file from now on.

        Raises:
            WriteError: it cannot be opened.
        """
        if self._file is not None:
            return
        with write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):
                path.unlink()  # a link is replaced, so that the other file is not changed
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        waiting, self._waiting = self._waiting, collections.deque(maxlen=0)
        for line in waiting:
            self._write(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or keep it."""
        line = self.format(record)
        if self._file is None:
            self._waiting.append(line)
        else:
            self._write(line)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        super().close()

    def _write(self, line: str) -> None:
        if self._file is None or self._failed:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self._failed = True
            logging.warning(f"{self._file.name}: the log ends here: {reason(error) or error}")
