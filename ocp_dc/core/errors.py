"""Errors that end a command with one message, and the formatter of these messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_FROM_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.\nOriginal Traceback")


class UserError(ValueError):
    """A mistake of the user: in a config, a file or an argument.

    The message says what was found, what was expected and how to correct it. The command line prints it without a
    traceback and exits with status 2.

    A torch DataLoader raises the error of a worker again in the main process, with the worker's traceback as its
    message. The traceback is cut off, so that the message is the same in both processes.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_without_traceback(str(message)))


def _without_traceback(message: str) -> str:
    """Return a message without the traceback of a DataLoader worker; any other message is unchanged."""
    found = _FROM_WORKER.match(message)
    if found is None:
        return message
    return re.split(rf"^(?:\w+\.)*{found[1]}: ", message, flags=re.MULTILINE)[-1].rstrip("\n")


class UnsafeDataError(UserError):
    """A file holds something other than plain data, so that reading it could run code."""


class DivergenceError(RuntimeError):
    """The loss or a gradient is not finite; the command line prints the message and exits with status 1.

    Args:
        step: the step in which the value was found, from 1.
        what: what is not finite, such as ``the forces loss``.
        advice: where the last good checkpoint is, and what may help.
    """

    def __init__(self, step: int, what: str, advice: str) -> None:
        super().__init__(step, what, advice)  # the constructor's arguments: pickling needs them
        self.step = step
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"training diverged at step {self.step}: {self.what} is not finite; {self.advice}"


def own_error(error: BaseException | None) -> UserError | DivergenceError | None:
    """Return the error of ocp_dc that an error is, or that it was raised from, if there is one."""
    while error is not None and not isinstance(error, UserError | DivergenceError):
        error = error.__cause__ or error.__context__
    return error


def bad_value(path: str, value: object, expected: str, *, mend: str = "", names: Iterable[str] = ()) -> UserError:
    """Return the error for a value that is not valid: ``PATH: got VALUE, expected EXPECTED; MEND. Did you mean 'x'?``.

    Args:
        path: the place of the value, for example ``"optim.max_epochs"``.
        value: what the user wrote.
        expected: what is valid, in words.
        mend: how to correct the mistake, if ``expected`` does not say it.
        names: valid names, of which the nearest is proposed.
    """
    names = tuple(names)
    ending = (f"; {mend}" if mend else "") + (f".{nearest(value, names)}" if names else "")
    return UserError(f"{path}: got {value!r}, expected {expected}{ending}")


def nearest(name: object, names: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the valid name closest to ``name``, or an empty string.

    Args:
        name: what the user wrote.
        names: the valid names.
    """
    by_lower_case = {str(n).lower(): str(n) for n in names}
    found = difflib.get_close_matches(str(name).lower(), by_lower_case, n=1, cutoff=0.5)
    return f" Did you mean '{by_lower_case[found[0]]}'?" if found else ""


def unknown_name(kind: str, name: object, names: Iterable[str]) -> UserError:
    """Return the error for a name that does not exist; the message lists the valid names and proposes the nearest.

    Args:
        kind: what is named, for example ``"activation"``.
        name: what the user wrote.
        names: the valid names.
    """
    known = sorted(str(n) for n in names)
    return UserError(f"unknown {kind} {name!r}: expected one of {', '.join(known)}.{nearest(name, known)}")
