"""What failed in a spawned rank, as the error that it was."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from ocp_dc.core.errors import DivergenceError, UnsafeDataError, UserError
from ocp_dc.core.write_errors import WriteError

KINDS = {kind.__name__: kind for kind in (UserError, UnsafeDataError, WriteError)}
DIVERGED = re.compile(r"training diverged at step (\d+): (.*) is not finite; (.*)", re.DOTALL)
LOGGER = "torch.distributed.elastic.multiprocessing.api"  # prints the traceback of the rank that failed first


class RankError(RuntimeError):
    """An unexpected error in a rank; its cause holds the rank's traceback."""


@contextlib.contextmanager
def rank_errors() -> Iterator[None]:
    """Raise the error of the rank that failed first, in place of torch's account of all of them."""
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        cause = failure.message
        if not isinstance(cause, dict):  # killed, say: there is no traceback
            raise RankError(f"rank {rank} failed: {cause}") from None
        raise error_of_rank(rank, cause["message"], cause["extraInfo"]["py_callstack"]) from None
    finally:
        logger.setLevel(level)


def error_of_rank(rank: int, text: str, traceback: str) -> Exception:
    """Return the error that ended a rank.

    Args:
        rank: the rank.
        text: kind and message, such as ``UserError: no such file``.
        traceback: the rank's traceback.
    """
    kind, _, message = text.partition(": ")
    if kind in KINDS:
        return KINDS[kind](message)
    if kind == DivergenceError.__name__ and (found := DIVERGED.fullmatch(message)):
        return DivergenceError(int(found[1]), found[2], found[3])
    error = RankError(f"rank {rank}: {text}")
    error.__cause__ = RuntimeError(f"in rank {rank}:\n{traceback}")
    return error
