"""Raise the error of a spawned rank in the parent process, with its original class."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from ocp_dc.core.errors import DivergenceError, UnsafeDataError, UserError
from ocp_dc.core.write_errors import WriteError

ERROR_CLASSES = {kind.__name__: kind for kind in (UserError, UnsafeDataError, WriteError)}
DIVERGED = re.compile(r"training diverged at step (\d+): (.*) is not finite; (.*)", re.DOTALL)
LOGGER = "torch.distributed.elastic.multiprocessing.api"  # prints the traceback of the rank that failed first


class RankError(RuntimeError):
    """Unexpected error in a rank; its cause has the traceback of the rank."""


@contextlib.contextmanager
def rank_errors() -> Iterator[None]:
    """Raise the error of the rank that failed first, instead of torch's report about all ranks."""
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        cause = failure.message
        if not isinstance(cause, dict):  # no traceback, for example because the rank was killed
            raise RankError(f"rank {rank} failed: {cause}") from None
        raise error_of_rank(rank, cause["message"], cause["extraInfo"]["py_callstack"]) from None
    finally:
        logger.setLevel(level)


def error_of_rank(rank: int, text: str, traceback: str) -> Exception:
    """Return the error that ended a rank.

    Args:
        rank: the number of the rank.
        text: class and message, such as ``UserError: no such file``.
        traceback: the traceback of the rank.
    """
    kind, _, message = text.partition(": ")
    if kind in ERROR_CLASSES:
        return ERROR_CLASSES[kind](message)
    if kind == DivergenceError.__name__ and (found := DIVERGED.fullmatch(message)):
        return DivergenceError(int(found[1]), found[2], found[3])
    error = RankError(f"rank {rank}: {text}")
    error.__cause__ = RuntimeError(f"in rank {rank}:\n{traceback}")
    return error
