"""Conversion of data sets between the LMDBs of fairchem 1 and the aselmdb files of fairchem 2."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json, replacing_folder, write_json
from ocp_dc.data.ase_lmdb import writer
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader, check_aselmdb
from ocp_dc.data.ase_lmdb.rows import Row, structure_values
from ocp_dc.data.boundaries import complete_cell, has_volume
from ocp_dc.data.lmdb_file import LMDB, data_files
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader
from ocp_dc.data.oc20_lmdb.record_frames import read_record, record_frame
from ocp_dc.data.output_folder import new_folder
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.splits import Split

NUMBERS = ("y_relaxed", "y_init", "nads", "oc22")  # of OC20's and OC22's relaxations; kept by name


def convert_dataset(src: Path | str, out: Path | str, *, progress: bool = True) -> int:
    """Convert LMDBs in the layout of OC20 and OC22 to aselmdb files, or the other way round, by what ``src`` holds.

    Labels, cells and positions keep their numbers, also those of single precision; ``fixed``, ``tags``, ``sid`` and
    ``fid`` are kept. Records are read as data: no code of theirs runs. The files are written to a temporary folder,
    which is renamed at the end.

    Args:
        src: one file, a folder of files, or a folder of ``ocp-dc prepare``, with train, val and test in it.
        out: the folder to create; it may exist if it is empty. Each file of ``src`` becomes one file, and each folder
            gets a metadata.npz.
        progress: show a progress bar.

    Returns:
        The number of structures.

    Raises:
        UserError: ``src`` holds no such files or both kinds, ``out`` exists, or a record is not valid.
        UnsafeDataError: a record names an object that could run code.
    """
    src, out = Path(src), new_folder(out)
    splits = [name for name in Split._fields if (src / name).is_dir()]
    with replacing_folder(out) as folder:
        if not splits:
            return _convert(src, folder, progress)
        count = 0
        for name in splits:
            (folder / name).mkdir()
            count += _convert(src / name, folder / name, progress)
        _copy_description(src, folder)
        return count


def is_dataset(path: Path | str) -> bool:
    """Return whether a path is what :func:`convert_dataset` takes, as opposed to a checkpoint."""
    path = Path(path)
    folders = [path, *(path / name for name in Split._fields)]
    return path.suffix in (LMDB, writer.SUFFIX) or any(
        any(folder.glob(f"*{suffix}")) for folder in folders for suffix in (LMDB, writer.SUFFIX)
    )


def _convert(src: Path, folder: Path, progress: bool) -> int:
    kinds = [suffix for suffix in (LMDB, writer.SUFFIX) if src.suffix == suffix or any(src.glob(f"*{suffix}"))]
    if len(kinds) == 2:
        raise UserError(f"{src}: holds *{LMDB} and *{writer.SUFFIX} files; expected one kind. Name a file, or move one")
    suffix = kinds[0] if kinds else LMDB  # LMDB: the error for a path that has neither
    check, new_suffix = (check_lmdb, writer.SUFFIX) if suffix == LMDB else (check_aselmdb, LMDB)
    if not kinds and src.exists():
        raise UserError(f"{src}: no *{LMDB} or *{writer.SUFFIX} file; expected at least one")
    total = check(src)
    names = {file.with_suffix(new_suffix).name: file for file in data_files(src, suffix)}
    natoms: list[int] = []
    with tqdm(total=total, unit=" structures", desc=src.name, disable=not progress) as bar:
        for name in sorted(names):  # the order in which fairchem reads the files, and so that of metadata.npz
            if suffix == LMDB:
                natoms += writer.write_aselmdb(folder / name, _rows(names[name], bar))
            else:
                natoms += _write_lmdb(names[name], folder / name, bar)
    writer.write_metadata(folder, natoms)
    return len(natoms)


def _rows(path: Path, bar: tqdm) -> Iterator[Row]:
    """Yield the rows of an LMDB; atoms that are not in a record are free, and tags that are not are 0."""
    reader = LmdbReader(path)
    try:
        for number in range(check_lmdb(path)):
            yield _row(read_record(reader, number), number, f"{path}: record {number}")
            bar.update()
    finally:
        reader.close()


def _row(values: dict[str, Any], number: int, where: str) -> Row:
    frame = record_frame(values, where, LabelKeys(), labels=False)
    cell = frame.cell
    if frame.pbc.any() and not has_volume(cell):
        cell = complete_cell(cell, frame.pbc, frame.positions)  # fairchem 2 needs a volume
    row = structure_values(frame.numbers, frame.positions, cell, frame.pbc, frame.fixed, frame.tags)
    if not np.isnan(frame.energy):
        row["energy"] = frame.energy
    if not np.isnan(frame.forces).any():
        row["forces"] = frame.forces
    if frame.stress is not None:
        row["stress"] = frame.stress
    data = {key: values[key] for key in NUMBERS if isinstance(values.get(key), int | float)}
    return Row(row, {**data, "sid": values.get("sid", number), "fid": values.get("fid", 0)})


def _write_lmdb(path: Path, out: Path, bar: tqdm) -> list[int]:
    natoms: list[int] = []

    def samples() -> Iterator[Any]:
        with AseLmdbReader(path) as reader:
            for number, frame in enumerate(reader):
                natoms.append(frame.natoms)
                yield to_data(frame, sid=number)
                bar.update()

    write_lmdb(out, samples())
    return natoms


def _copy_description(src: Path, folder: Path) -> None:
    """Copy split.npz and dataset.json of a prepared folder, with the new layout in the latter."""
    if (src / "split.npz").is_file():
        shutil.copyfile(src / "split.npz", folder / "split.npz")
    if (src / "dataset.json").is_file():
        description = read_json(src / "dataset.json", "remove it, or prepare the data again")
        layout = description.pop("layout", "oc20")
        write_json(folder / "dataset.json", description | ({"layout": "aselmdb"} if layout == "oc20" else {}))
