"""torch-geometric, which only the LMDBs of OC20 and the downloads of MD17 need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ocp_dc.core.errors import UserError


@contextmanager
def needs_pyg(what: str) -> Iterator[None]:
    """Turn a failed import of torch-geometric in the block into an error for the user.

    Args:
        what: what needs it, for the message.

    Raises:
        UserError: torch-geometric is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "torch_geometric":
            raise
        raise UserError(
            f"{what} needs torch-geometric, which is not installed; `pip install torch-geometric`. What fairchem 2 "
            "reads does not need it: --to aselmdb"
        ) from error
