"""Folders of files that can be downloaded or computed again."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

VARIABLE = "OCP_DC_CACHE"  # environment variable: the folder of all caches


def cache_folder(name: str) -> Path:
    """Return the folder of one cache: ``$OCP_DC_CACHE/NAME``, else ``ocp_dc/NAME`` in the user's cache.

    The user's cache is ``$XDG_CACHE_HOME`` or ``~/.cache`` on Linux, and the usual folder on macOS and Windows.

    Args:
        name: such as ``md17``.

    Raises:
        RuntimeError: the user has no home.
    """
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own).expanduser() / name
    folder = Path(platformdirs.user_cache_dir("ocp_dc", appauthor=False))
    if not folder.is_absolute():  # "~" that older versions of platformdirs could not expand
        raise RuntimeError(f"the user has no home for {folder}; set {VARIABLE} to a folder")
    return folder / name
