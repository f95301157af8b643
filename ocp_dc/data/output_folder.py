"""The path of a new output folder."""

from __future__ import annotations

import os
from pathlib import Path

from ocp_dc.core.errors import UserError


def new_folder(path: Path | str) -> Path:
    """Return the absolute path for a new folder; links are followed.

    Raises:
        UserError: the path exists and is not an empty folder, or its links form a loop.
    """
    real = Path(os.path.realpath(path))
    try:
        if real.is_symlink():
            raise UserError(f"{path}: a link that leads in a circle; remove it or choose another name")
        taken = real.exists() and not (real.is_dir() and not any(real.iterdir()))
    except OSError as error:
        raise _unwritable(path, error) from error
    if taken:
        raise UserError(f"{path}: exists; expected a new name or an empty folder. Remove it or choose another name")
    return real


def _unwritable(path: Path | str, error: OSError) -> UserError:
    return UserError(
        f"{path}: no folder can be made there ({error.strerror or error}); choose a folder that you may write to"
    )
