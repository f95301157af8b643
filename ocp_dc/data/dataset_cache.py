"""Data sets in the layout of a host, converted from any file of structures once and kept in a cache."""

from __future__ import annotations

import dataclasses
import functools
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ocp_dc import __version__
from ocp_dc.core.caches import cache_folder
from ocp_dc.core.digests import content_digest, file_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing_folder, write_json
from ocp_dc.core.locks import folder_lock
from ocp_dc.core.options import check_keys
from ocp_dc.data.ase_lmdb.reader import check_aselmdb
from ocp_dc.data.ase_lmdb.writer import SUFFIX as ASELMDB
from ocp_dc.data.frames import Frame, FrameSource, check_frame
from ocp_dc.data.label_search import with_found_keys
from ocp_dc.data.layouts import WRITERS, default_layout
from ocp_dc.data.lmdb_file import LMDB, is_lmdb
from ocp_dc.data.prepare import prepare
from ocp_dc.data.structures import ReadOptions, check_exists, check_one_set, open_structures, structure_files

CACHE = "datasets"
KEYS = {  # of a data set in a config, with their meanings, which the JSON Schema of run configs shows
    "units": "the energy unit of a file that is not an LMDB; eV, and for npz files what they state",
    "length_units": "its unit of positions and cells; Å",
    "energy_key": "the name of its energies, such as REF_energy",
    "forces_key": "the name of its forces, such as REF_forces",
    "stress_key": "the name of its stresses",
    "virial_key": "the name of its virials, in place of stresses",
    "stress_units": "the unit of its stresses, such as GPa",
}
PATIENCE = 24 * 3600.0  # seconds that a process waits for another one that converts the same file
SUFFIXES = {"oc20": LMDB, "aselmdb": ASELMDB}


def as_dataset(
    path: Path | str,
    layout: str,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    progress: bool = True,
) -> Path:
    """Return a data set in a layout with the structures of a path: the path itself, or one in the cache.

    The cached data set is found by the contents of the files, the options and the version of this package. It is
    written whole or not at all, by one process; others that need it wait.

    Args:
        path: a data set of the layout, or any other file or folder of structures with energies and forces. A path that
            does not exist is returned.
        layout: ``oc20`` or ``aselmdb``.
        options: how to read files that are not of the layout; with any option, a data set of the layout is converted.
        progress: show a progress bar on a terminal.

    Raises:
        UserError: the path holds several data sets, or no valid structures, or a structure has no labels.
    """
    path = Path(path)
    if not path.exists() or (options == ReadOptions() and is_native(path, layout)):
        return path
    check_one_set(path)

    def convert(out: Path) -> None:
        _convert(path, out, layout, options, progress)

    return _cached(path, options, {"layout": layout}, convert)


def as_splits(
    path: Path | str,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    progress: bool = True,
) -> Path:
    """Return a folder with training, validation and test sets for the installed host: the path itself, or a cached one.

    Any other structures are split at random, 80/10/10, with seed 0. Likely names of labels are found, with a note.

    Args:
        path: a folder that ``ocp-dc prepare`` made, or any other file or folder of structures.
        options: how to read the latter.
        progress: show a progress bar.

    Raises:
        UserError: the path is missing, holds no valid structures, or only one.
    """
    path = Path(path)
    check_exists(path)
    if all((path / split).is_dir() for split in ("train", "val")):
        return path
    options, notes = with_found_keys([path], options)
    for note in notes:
        logging.warning(f"note: {note}")

    def split(out: Path) -> None:
        sizes = prepare(path, out, **dataclasses.asdict(options), progress=progress)["counts"]
        if not sizes["val"]:
            shutil.rmtree(out)
            raise UserError(
                f"{path}: has {sizes['train']} structure(s), none is left for validation; expected 2 or more"
            )

    return _cached(path, options, {"layout": default_layout(), "splits": "80/10/10, seed 0"}, split)


def _cached(path: Path, options: ReadOptions, more: Mapping[str, str], make: Callable[[Path], None]) -> Path:
    """Return a folder in the cache for the contents of a path; ``make`` writes it if it is not there."""
    files = structure_files([path], options.format)
    identity = {
        "files": [[str(file.relative_to(path)) if path.is_dir() else file.suffix, _digest(file)] for file in files],
        "options": dataclasses.asdict(options),
        **more,
        "version": __version__,
    }
    name = re.sub(r"[^\w.-]", "_", path.resolve().name)[:60]
    folder = cache_folder(CACHE) / f"{name}-{content_digest(identity)[:20]}"
    found = folder / "data"
    if not found.is_dir():
        with folder_lock(folder, "a conversion of the same file", PATIENCE):
            if not found.is_dir():  # another process has made it in the meantime
                make(found)
                write_json(folder / "dataset.json", {"source": path.name, **identity})
    return found


def is_native(path: Path, layout: str) -> bool:
    """Return whether a path is a data set of a layout: a file, or a folder that has such files."""
    suffix = SUFFIXES[layout]
    if path.is_dir():
        return any(path.glob(f"*{suffix}"))
    return path.suffix == suffix or (layout == "oc20" and path.suffix != ASELMDB and is_lmdb(path))


def count_structures(path: Path) -> int:
    """Return the number of structures of a path, which may be without labels.

    Raises:
        UserError: it holds several data sets, or no valid structures.
    """
    if is_native(path, "aselmdb"):
        return check_aselmdb(path)
    with closing(open_structures(path, labels=False)) as source:
        return len(source)


def read_options(block: Mapping[str, Any] | None, path: str) -> ReadOptions:
    """Return the options of a block of a config: ``KEYS``, of which null is the default.

    Args:
        block: the block; None for no options.
        path: its place in the config, for messages.

    Raises:
        UserError: a key is unknown, or a value is not valid.
    """
    check_keys(block or {}, KEYS, path)
    return ReadOptions(**dict(block or {}))


def _digest(path: Path) -> str:
    status = path.stat()
    return _digest_of(path.resolve(), status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _digest_of(path: Path, size: int, changed: int) -> str:
    """Return the digest of a file, read once for each state: a run asks for it at several places."""
    return file_digest(path)


def _convert(path: Path, out: Path, layout: str, options: ReadOptions, progress: bool) -> None:
    with closing(open_structures(path, options)) as source, replacing_folder(out) as folder:
        logging.info(f"{path}: {len(source)} structures are converted once, to {out}")
        bar = tqdm(_frames(source), total=len(source), unit=" structures", desc=path.name, disable=_hidden(progress))
        WRITERS[layout](folder, bar, None, None)
        for note in source.notes():
            logging.warning(f"note: {note}")


def _hidden(progress: bool) -> bool | None:
    return None if progress else True  # None: hidden unless the error stream is a terminal


def _frames(source: FrameSource) -> Iterator[tuple[int, Frame]]:
    for index in range(len(source)):
        frame = source[index]
        check_frame(frame, source.where(index))
        yield index, frame
