"""Errors of a command: one message and an exit status, and a log file for an unexpected error."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import re
import select
import shlex
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ocp_dc import __version__
from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.core.streams import write_line
from ocp_dc.core.write_errors import reason

PACKAGES = ("torch", "torch-geometric", "fairchem-core", "numpy", "ase", "lmdb", "deepxde", "h5py")
SHOW = "OCP_DC_DEBUG"  # environment variable: show tracebacks
NO_MEMORY = re.compile(r"can't allocate memory|out of memory|Unable to allocate|Cannot allocate memory")


def exit_status(run: Callable[[], int], arguments: Sequence[str], debug: bool = False) -> int:
    """Run a command and return its exit status; an error is printed as one message.

    Args:
        run: the command.
        arguments: the command line, for the log.
        debug: show the traceback of any error on the error stream.

    Returns:
        The status that ``run`` returns; 1 for a training run that diverged, 2 for any other error, 130 for Ctrl-C,
        141 if the reader of the output has closed it, as ``head`` does.
    """
    hook, threading.excepthook = threading.excepthook, _print_thread_error
    try:
        status = run()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt as error:
        _print(f"interrupted: {error}" if str(error) else "interrupted")
        return 130
    except BrokenPipeError as error:
        if not _reader_is_gone(sys.stdout):
            return _report(error, arguments, debug)
        with contextlib.suppress(OSError, ValueError):  # the interpreter flushes again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        return _report(error, arguments, debug)
    finally:
        threading.excepthook = hook


def message(error: BaseException) -> str | None:
    """Return the message for the user, if the error needs no traceback; None for an unexpected error."""
    if isinstance(error, UserError | DivergenceError):
        return str(error)
    text = str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(text)):
        return f"not enough memory{f': {text.splitlines()[0]}' if text else ''}; make what was asked for smaller"
    if isinstance(error, OSError) and (why := reason(error)) is not None:
        name = "a file" if error.filename is None else os.fsdecode(error.filename)
        return f"{name}: {why}"
    return None


def unexpected(error: BaseException, arguments: Sequence[str]) -> str:
    """Write the traceback of an error to a log file, and return a message that names the file."""
    first = (str(error).strip().splitlines() or ["no message"])[0]
    what = f"an unexpected error in {_package(error)}: {type(error).__name__}: {first}"
    text = "\n".join([*_facts(arguments), "", "".join(traceback.format_exception(error))])
    path = _write_log(text)
    if path is None:
        return f"{what}; its traceback cannot be written anywhere, {SHOW}=1 shows it"
    return f"{what}; the traceback is in {path}"


def _print_thread_error(args: threading.ExceptHookArgs) -> None:
    """Print an error of a thread, except of TensorBoard's writer, whose error the main thread raises again."""
    if not type(args.thread).__module__.startswith("tensorboard"):
        threading.__excepthook__(args)


def _report(error: Exception, arguments: Sequence[str], debug: bool) -> int:
    if debug or os.environ.get(SHOW, "0") not in ("", "0"):
        traceback.print_exception(error)
    _print(f"error: {message(error) or unexpected(error, arguments)}")
    return 1 if isinstance(error, DivergenceError) else 2


def _print(text: str) -> None:
    write_line(sys.stderr, text)


def _package(error: BaseException) -> str:
    """Return the package that raised an error: the innermost one outside the standard library."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = [name.partition(".")[0] for name in names]
    return next((p for p in reversed(packages) if p and p not in sys.stdlib_module_names), "Python")


def _facts(arguments: Sequence[str]) -> list[str]:
    versions = {"ocp_dc": __version__}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return [
        f"time: {datetime.datetime.now().astimezone().isoformat(timespec='seconds')}",
        f"command: {shlex.join(['ocp-dc', *arguments])}",
        f"folder: {Path.cwd()}",
        f"versions: {', '.join(f'{name} {number}' for name, number in versions.items())}",
        f"platform: Python {platform.python_version()}, {platform.platform()}",
    ]


def _write_log(text: str) -> Path | None:
    """Write a new file into the working folder, or else into the folder of temporary files; return its path."""
    name = f"ocp-dc-error-{datetime.datetime.now():%Y-%m-%d-%H-%M-%S}-{os.getpid()}.log"
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        else:
            return path
    return None


def _reader_is_gone(stream: object) -> bool:
    """Return whether a pipe was closed at its other end; False if the system cannot report it (Windows)."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)  # type: ignore[attr-defined]
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False
