"""The two layouts of data sets: LMDBs of OC20 for fairchem 1, LMDBs of ase rows for fairchem 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ocp_dc.data.ase_lmdb.rows import frame_row
from ocp_dc.data.ase_lmdb.writer import FILE, write_aselmdb, write_metadata
from ocp_dc.data.edges import add_edges
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb

Frames = Iterable[tuple[int, Frame]]
"""Structures, each with the number that it has where it has no sid."""


def default_layout() -> str:
    """Return the layout that the installed fairchem reads, and that of fairchem 1 if none is installed."""
    try:
        return "aselmdb" if version("fairchem-core").startswith("2.") else "oc20"
    except PackageNotFoundError:
        return "oc20"


def _write_oc20(folder: Path, frames: Frames, edges: float | None, max_neighbors: int | None) -> None:
    samples = (to_data(frame, sid=number) for number, frame in frames)
    if edges is not None and max_neighbors is not None:
        samples = (add_edges(sample, edges, max_neighbors) for sample in samples)
    write_lmdb(folder / "data.lmdb", samples)


def _write_aselmdb(folder: Path, frames: Frames, edges: float | None, max_neighbors: int | None) -> None:
    write_metadata(folder, write_aselmdb(folder / FILE, (frame_row(frame, number) for number, frame in frames)))


WRITERS: dict[str, Callable[[Path, Frames, float | None, int | None], None]] = {
    "oc20": _write_oc20,
    "aselmdb": _write_aselmdb,
}
