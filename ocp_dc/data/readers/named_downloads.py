"""All data sets that are downloaded by name: those of PyG's MD17 class, and single files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.data.optional_pyg import needs_pyg
from ocp_dc.data.readers import downloads

OC20 = (
    "OC20 and OC22 come by fairchem's own script, and are trained on as they are: python -m "
    "fairchem.core.scripts.download_data --task s2ef --split 200k --get-edges --num-workers 8 --data-path data"
)


class NamedDownload(NamedTuple):
    """A data set that can be downloaded: its format and energy unit, and what downloads its file."""

    format: str
    units: str
    fetch: Callable[[], Path]


def named_download(name: str) -> NamedDownload:
    """Return a data set by its name; nothing is downloaded yet.

    Raises:
        UserError: the name is unknown, or torch-geometric, which knows it, is not installed.
    """
    if name in downloads.FILES:
        entry = downloads.FILES[name]
        return NamedDownload(entry.format, entry.units, lambda: downloads.download(name))
    with needs_pyg(f"a download of {name!r}"):
        from ocp_dc.data.readers import md17_download
    if name not in md17_download.NAMES:
        raise unknown_name("data set", name, [*md17_download.NAMES, *downloads.FILES])
    return NamedDownload(md17_download.layout_of(name), md17_download.UNIT, lambda: md17_download.download_md17(name))


def download_names() -> dict[str, str]:
    """Return the names of all data sets, each with a summary of a line; those of PyG only where it is installed."""
    names: dict[str, str] = {}
    try:
        with needs_pyg("a download of MD17"):
            from ocp_dc.data.readers import md17_download
    except UserError:
        pass
    else:
        for name in md17_download.NAMES:
            kind = "revised MD17" if name.startswith("revised ") else "MD17"
            names[name] = f"{kind}, by torch-geometric: {name.removeprefix('revised ')}"
    return names | {name: entry.summary for name, entry in downloads.FILES.items()}
