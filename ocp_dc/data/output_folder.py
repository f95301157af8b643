"""The place of a folder that is to be made."""

from __future__ import annotations

import os
from pathlib import Path

from ocp_dc.core.errors import UserError


def new_folder(path: Path | str) -> Path:
    """Return the absolute path of a folder that is to be made; links are followed.

    Raises:
        UserError: something is there already, other than an empty folder, or links lead in a circle.
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
        f"{path}: no folder can be made there ({error.strerror or error}); choose a place where you may write"
    )
