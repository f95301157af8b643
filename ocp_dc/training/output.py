"""What a run shows on the terminal: few lines for the user, and warnings; everything else goes to the log file.

The messages of fairchem and of this package are records of :mod:`logging`. Those of :func:`say` are for the user. Ranks
that fairchem spawns, and jobs that it submits, inherit the choice of the user in an environment variable.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ocp_dc.core import verbosity
from ocp_dc.core.streams import write_line
from ocp_dc.core.verbosity import NORMAL, QUIET, VARIABLE, VERBOSE
from ocp_dc.training.log_file import DATES, FORMAT, NAME, LogFile

LEVEL = "LOGLEVEL"  # environment variable of fairchem
_LINES = logging.getLogger("ocp_dc.lines")


def say(text: str) -> None:
    """Show a line to the user, unless the run is quiet; it is in the log as well."""
    _LINES.info(text, stacklevel=2)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet`` and ``--verbose``."""
    group = parser.add_mutually_exclusive_group()
    parser.set_defaults(output=NORMAL)
    group.add_argument(
        "-q", "--quiet", dest="output", action="store_const", const=QUIET, help="show only warnings and errors"
    )
    group.add_argument(
        "--verbose", dest="output", action="store_const", const=VERBOSE, help=f"also show what else {NAME} receives"
    )


class Terminal(logging.Handler):
    """Show the user's lines on the output stream and warnings on the error stream, above the progress bar.

    Args:
        verbose: show every record.
        hidden: texts of warnings that are in the log only, each with the reason.
        shown: beginnings of messages of the host that are for the user as well.
        rank: of several processes; those after the first one show errors only.
    """

    def __init__(self, verbose: bool, hidden: Mapping[str, str], shown: Sequence[str] = (), rank: int = 0) -> None:
        super().__init__()
        self.verbose, self._hidden, self._shown, self._rank = verbose, hidden, tuple(shown), rank
        self._full = logging.Formatter(FORMAT, DATES)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        if self._rank and record.levelno < logging.ERROR:
            return False
        if self.verbose or self._for_user(record):
            return True
        return record.levelno >= logging.WARNING and not any(text in record.getMessage() for text in self._hidden)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
        with tqdm.external_write_mode(file=stream):
            write_line(stream, self.format(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        if self._for_user(record):
            return record.getMessage()
        return self._full.format(record) if self.verbose else f"{record.levelname.lower()}: {record.getMessage()}"

    def _for_user(self, record: logging.LogRecord) -> bool:
        return record.name == _LINES.name or record.getMessage().startswith(self._shown)


@contextlib.contextmanager
def run_output(output: str, hidden: Mapping[str, str], shown: Sequence[str] = (), rank: int = 0) -> Iterator[None]:
    """Show a run on the terminal as the user wants it, and keep its records for the log file, within the block.

    Handlers that write to a stream, such as fairchem's, are put aside; others, such as an application's own, stay.
    A block within another one changes nothing.

    Args:
        output: ``quiet``, ``normal`` or ``verbose``.
        hidden: texts of warnings that are in the log only, each with the reason.
        shown: beginnings of messages of the host that are for the user as well.
        rank: of several processes.
    """
    root, environment = logging.getLogger(), os.environ.get(VARIABLE)
    if any(isinstance(handler, Terminal) for handler in root.handlers):
        yield
        return
    before, level = list(root.handlers), root.level
    terminal, file = Terminal(output == VERBOSE, hidden, shown, rank), LogFile()
    terminal.setLevel(logging.WARNING if output == QUIET else logging.NOTSET)
    root.handlers = [each for each in before if type(each) is not logging.StreamHandler] + [terminal, file]
    root.setLevel(os.environ.get(LEVEL, "INFO").upper())
    os.environ[VARIABLE] = output
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        os.environ.pop(VARIABLE)
        if environment is not None:
            os.environ[VARIABLE] = environment
        root.handlers = before
        root.setLevel(level)
        file.close()


def inherited_output(
    hidden: Mapping[str, str], shown: Sequence[str], rank: int
) -> contextlib.AbstractContextManager[None]:
    """Return :func:`run_output` as the process that started this one was told; without ``ocp-dc main`` do nothing."""
    output = verbosity.chosen()
    return contextlib.nullcontext() if output is None else run_output(output, hidden, shown, rank)


def job_rank() -> int:
    """Return the rank of this process in a launch of torch or of Slurm, before fairchem has set up the ranks."""
    return int(os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or 0)


def show_everything() -> None:
    """Show every record on the terminal from now on, unless the run is quiet."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Terminal):
            handler.verbose = True


def write_log(folder: Path, rank: int = 0) -> None:
    """Write the log of this process to a folder, from its first record on; without :func:`run_output` do nothing.

    Args:
        folder: the folder, which is created.
        rank: of several processes, each of which has a file.

    Raises:
        WriteError: the file cannot be opened.
    """
    name = NAME if rank == 0 else NAME.replace(".", f"-rank{rank}.")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LogFile):
            handler.open(folder / name)
