"""From a file of labelled structures to the LMDBs that training reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch_geometric.data import Data
from tqdm import tqdm

from ocp_dc import __version__
from ocp_dc.data import md17_download
from ocp_dc.data.edges import add_edges, check_edges
from ocp_dc.data.frames import FrameSource
from ocp_dc.data.lmdb_io import to_data, write_lmdb
from ocp_dc.data.npz import LAYOUTS, NpzSource
from ocp_dc.data.splits import random_split
from ocp_dc.data.summary import Summary
from ocp_dc.errors import UserError, unknown_name
from ocp_dc.files import replacing_folder, write_json

FORMATS = (*LAYOUTS, "ase")


def prepare(
    src: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    format: str,
    units: str | None = None,
    train: int,
    val: int,
    test: int,
    seed: int = 0,
    edges: float | None = None,
    max_neighbors: int = 50,
    progress: bool = True,
) -> dict[str, Any]:
    """Write ``out/{train,val,test}/data.lmdb`` (eV, Å; metadata.npz beside each), dataset.json and split.npz.

    Everything is written beside ``out`` and renamed at the end: after a failure there is no ``out``.

    Args:
        src: the file of structures, or ``"download:revised ethanol"`` for a molecule of MD17 by PyG's name. With
            ``ase`` also several files, or a folder of them at any depth.
        out: the folder to make; it may exist if it is empty.
        format: one of ``FORMATS``.
        units: the energy unit of the source. Needed for npz files; None is eV for ``ase``, kcal/mol for downloads.
        train: number of training structures.
        val: number of validation structures; with 0 there is no such folder.
        test: number of test structures; with 0 there is no such folder.
        seed: seed of the split.
        edges: a cutoff in Å to store edges for, as OC20's LMDBs may hold them; None stores none, and a model computes
            its own (``otf_graph: true``).
        max_neighbors: with ``edges``, the nearest so many neighbours of each atom are stored.
        progress: show a progress bar.

    Returns:
        What dataset.json holds.

    Raises:
        UserError: anything wrong with the arguments or the source.
    """
    out = Path(out).absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: exists; expected a new name or an empty folder. Remove it or choose another name")
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    edged: Callable[[Data], Data] = _as_it_is
    if edges is not None:
        check_edges(edges, max_neighbors)
        edged = partial(add_edges, cutoff=edges, max_neighbors=max_neighbors)
    sources = [src] if isinstance(src, str | Path) else list(src)
    files, units = _resolve([str(source) for source in sources], format, units)
    one = len(files) == 1 and not Path(sources[0]).is_dir()
    with closing(_source(files, format, units, one)) as source, replacing_folder(out) as folder:
        split = random_split(len(source), train, val, test, seed)
        description: dict[str, Any] = {
            "source": ", ".join(map(str, sources)),
            "file": files[0].name if len(files) == 1 else None,
            "sha256": _sha256(files),
            **source.describe(),
            "source_count": len(source),
            "counts": {name: len(indices) for name, indices in split._asdict().items()},
            "seed": seed,
            **({} if edges is None else {"edges": {"cutoff": edges, "max_neighbors": max_neighbors}}),
        }
        summary = Summary()
        with tqdm(total=train + val + test, unit=" structures", disable=not progress) as bar:
            for name, indices in split._asdict().items():
                if len(indices):
                    bar.set_description(name)
                    (folder / name).mkdir()
                    write_lmdb(folder / name / "data.lmdb", _samples(source, indices, name, summary, bar, edged))
        description |= {**summary.describe(), "ocp_dc_version": __version__}
        np.savez(folder / "split.npz", **split._asdict())
        write_json(folder / "dataset.json", description)
    return description


def _resolve(sources: list[str], format: str, units: str | None) -> tuple[list[Path], str | None]:
    """Return the files, downloaded if need be, and their energy unit."""
    if format != "ase" and len(sources) != 1:
        raise UserError(f"got {len(sources)} sources; --format {format} takes one file. Prepare each on its own")
    if sources[0].startswith(md17_download.PREFIX):
        name = sources[0].removeprefix(md17_download.PREFIX).strip()
        # Checked before the download, which is large.
        expected = md17_download.layout_of(name)
        if format != expected or (units or md17_download.UNIT).strip().lower() != md17_download.UNIT:
            raise UserError(
                f"{sources[0]}: got format {format} and units {units}; this one comes in --format {expected} --units"
                f" {md17_download.UNIT}"
            )
        return [md17_download.download_md17(name)], md17_download.UNIT
    if units is None and format in LAYOUTS:
        raise UserError(
            f"{sources[0]}: npz files do not say their energy unit, and none was given; expected --units eV, kcal/mol"
            " or another. Published MD17 files are in kcal/mol"
        )
    paths = [Path(source) for source in sources]
    if format != "ase":
        return paths, units
    from ocp_dc.data.trajectories import structure_files  # ase's readers take a while to import

    return structure_files(paths), units


def _source(files: list[Path], format: str, units: str | None, one: bool) -> FrameSource:
    if format == "ase":
        from ocp_dc.data.ase_files import AseSource
        from ocp_dc.data.trajectories import AseFiles

        return AseSource(files[0], units) if one else AseFiles(files, units)
    assert units is not None
    return NpzSource(files[0], format, units)


def _as_it_is(data: Data) -> Data:
    return data


def _samples(
    source: FrameSource,
    indices: NDArray[np.int64],
    name: str,
    summary: Summary,
    bar: tqdm,
    edged: Callable[[Data], Data],
) -> Iterator[Data]:
    for index in indices.tolist():
        frame = source[index]
        summary.add(name, frame)
        yield edged(to_data(frame, sid=index))
        bar.update()


def _sha256(files: list[Path]) -> str:
    """Return the digest of the files' bytes, one file after another."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
