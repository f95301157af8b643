"""Download of MD17 and revised MD17 through PyG's MD17 class."""

from __future__ import annotations

import zipfile
from http.client import HTTPException
from pathlib import Path
from tarfile import TarError

from torch_geometric.datasets import MD17

from ocp_dc.core import temporary
from ocp_dc.core.caches import cache_folder
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.write_errors import write_errors

CACHE = "md17"
UNIT = "kcal/mol"
"""The energy unit of every file of MD17 and revised MD17."""

# The coupled-cluster files have a published split, which a random split would discard.
NAMES = tuple(name for name in MD17.file_names if "CCSD" not in name)


def download_md17(name: str, folder: Path | None = None) -> Path:
    """Return the npz file of a molecule; download it if it is not in the folder.

    Args:
        name: PyG's name, for example ``"ethanol"`` (MD17 layout) or ``"revised ethanol"`` (revised-MD17 layout, which
            is in one archive with all other molecules).
        folder: the folder of the downloaded files; None is :func:`ocp_dc.core.caches.cache_folder`.

    Raises:
        UserError: the name is unknown, or the download failed; the message says how to fetch the file by hand.
    """
    if name not in NAMES:
        raise unknown_name("MD17 molecule", name, NAMES)
    folder = cache_folder(CACHE) if folder is None else folder
    path = folder / MD17.file_names[name]
    if path.exists():
        return path
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        # PyG mistakes a partial file for a complete one, so that each download has a temporary folder.
        scratch = temporary.new_folder(folder / "download")
    try:
        _Files(str(scratch), name)
        for file in scratch.rglob("*.npz"):
            file.replace(folder / file.name)
    except (OSError, HTTPException, TarError, zipfile.BadZipFile, EOFError) as error:
        raise _failed(name, str(error) or type(error).__name__) from error
    finally:
        temporary.remove(scratch)
    if not path.exists():
        raise _failed(name, f"the download has no {path.name}")
    return path


def layout_of(name: str) -> str:
    """Return the format of a downloaded molecule: ``"rmd17"`` or ``"md17"``.

    Raises:
        UserError: the name is unknown.
    """
    if name not in NAMES:
        raise unknown_name("MD17 molecule", name, NAMES)
    return "rmd17" if name.startswith("revised ") else "md17"


class _Files(MD17):
    """PyG's download without its processing, whose cast to float32 costs 0.03 kcal/mol for aspirin."""

    @property
    def has_process(self) -> bool:
        return False

    def load(self, *_: object) -> None:
        """Do nothing, as there are no processed files."""


def _failed(name: str, reason: str) -> UserError:
    url = MD17.revised_url if name.startswith("revised ") else f"{MD17.gdml_url}/{MD17.file_names[name]}"
    return UserError(
        f"could not download {name!r} from {url}: {reason}. Fetch it by hand, unpack {MD17.file_names[name]} and give"
        f" that file: ocp-dc prepare {MD17.file_names[name]} OUT --format {layout_of(name)} --units {UNIT}"
    )
