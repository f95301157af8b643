"""Structures of a file or a folder of any kind: xyz, traj, db, npz, LMDBs of OC20, aselmdb, and what prepare makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ocp_dc.core.errors import UserError, nearest, unknown_name
from ocp_dc.core.units import energy_in_ev, length_in_angstrom
from ocp_dc.data.ase_lmdb.writer import SUFFIX as ASELMDB
from ocp_dc.data.frames import FrameSource
from ocp_dc.data.lmdb_file import LMDB, data_files, is_lmdb
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.readers.npz import LAYOUTS, NpzSource, npz_format
from ocp_dc.data.splits import Split

FORMATS = (*LAYOUTS, "ase", "lmdb")
NPZ = ".npz"


@dataclass(frozen=True)
class ReadOptions:
    """The facts that a file of structures may lack; None is what it states, or the default.

    Attributes:
        format: one of ``FORMATS``; None follows from the suffix, and for npz files from the names of the arrays.
        units: the energy unit. None is the unit that the file states, else eV; npz files must state one.
        length_units: the unit of positions and cells; forces are energies per this length. None is Å.
        energy_key: the name of the energies, if it is not the usual one of the format.
        forces_key: the name of the forces, likewise.
        stress_key: the name of the stresses, positive under tension, likewise.
        virial_key: the name of virials, -V times the stress, in place of stresses.
        stress_units: the unit of stresses, such as GPa; None is the unit of energy per cubed unit of length.
    """

    format: str | None = None
    units: str | None = None
    length_units: str | None = None
    energy_key: str | None = None
    forces_key: str | None = None
    stress_key: str | None = None
    virial_key: str | None = None
    stress_units: str | None = None

    def __post_init__(self) -> None:
        """Check the format, the units and the names.

        Raises:
            UserError: the format or a unit is unknown, or a name is not valid.
        """
        for unit, value_of in ((self.units, energy_in_ev), (self.length_units, length_in_angstrom)):
            if unit is not None:
                value_of(unit)
        if self.format is not None and self.format not in FORMATS:
            raise unknown_name("format", self.format, FORMATS)
        _ = self.keys

    @property
    def keys(self) -> LabelKeys:
        """The names of the labels."""
        return LabelKeys(self.energy_key, self.forces_key, self.stress_key, self.virial_key, self.stress_units)


def open_structures(
    paths: Path | str | Sequence[Path | str],
    options: ReadOptions = ReadOptions(),
    labels: bool = True,
) -> FrameSource:
    """Open structures for reading by index, in eV and Å.

    Trajectories, databases, LMDBs and aselmdb files are read by index; text files are read once, into flat arrays.

    Args:
        paths: a file, a folder of files of one kind, or several of these. A folder with neither LMDBs nor aselmdb files
            is searched for files of structures at any depth.
        options: what the files do not say.
        labels: each structure must have an energy and forces. Otherwise those that are missing are NaN.

    Raises:
        UserError: a path is missing, holds no structures, or is a folder of ``ocp-dc prepare`` with several data sets;
            the files are of different kinds, or not valid.
        UnsafeDataError: a record of an LMDB names an object that could run code.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    for path in given:
        check_one_set(path)
    options = replace(options, format=options.format or structure_format(given))
    files = structure_files(given, options.format)
    return _open(files, len(given) == 1 and not given[0].is_dir(), options, labels)


def structure_files(paths: Sequence[Path], format: str | None = None) -> list[Path]:
    """Return the files of a data set, with each folder replaced by its files.

    Args:
        paths: files and folders.
        format: one of ``FORMATS``; None follows from the suffix.

    Raises:
        UserError: a path is missing, a folder has no file of structures, or the files are of different kinds.
    """
    format = format or structure_format(paths)
    if format in LAYOUTS and (len(paths) != 1 or paths[0].is_dir()):
        raise UserError(
            f"got {', '.join(map(str, paths[:3]))}{', ...' if len(paths) > 3 else ''}; --format {format} takes one npz "
            "file. Use each separately"
        )
    for path in paths:
        check_exists(path)
    if format in LAYOUTS:
        return list(paths)
    if format == "lmdb":
        return [file for path in paths for file in data_files(path, LMDB)]
    from ocp_dc.data.readers import trajectories  # ase's readers are slow to import

    return trajectories.structure_files(paths)


def check_one_set(path: Path) -> None:
    """Check that a path is not a folder of ``ocp-dc prepare`` with several data sets in it.

    Raises:
        UserError: it is; the message names the data sets.
    """
    held = [name for name in Split._fields if any(_holds(path / name, suffix) for suffix in (LMDB, ASELMDB))]
    if held and not any(_holds(path, suffix) for suffix in (LMDB, ASELMDB)):
        listed = ", ".join(str(path / name) for name in held)
        raise UserError(f"{path}: holds {len(held)} data set(s); expected one. Give {listed}")


def check_exists(path: Path) -> None:
    """Check that a path exists.

    Raises:
        UserError: it does not; the message names the most similar file.
    """
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = nearest(path.name, siblings) if siblings else f" Its folder {path.parent} does not exist either."
        raise UserError(f"{path}: no such file or folder; expected structures.{hint}")


def structure_format(paths: Sequence[Path]) -> str:
    """Return the format of files and folders, one of ``FORMATS``, by their suffixes.

    Raises:
        UserError: a path is missing, or the paths are of different kinds.
    """
    kinds = {_kind(path): path for path in paths}
    if len(kinds) > 1:
        raise UserError(
            f"got {' and '.join(map(str, kinds.values()))}; expected files of one kind. Use each separately"
        )
    (kind,) = kinds
    return npz_format(paths[0]) if kind == NPZ and len(paths) == 1 else {LMDB: "lmdb", NPZ: "md17"}.get(kind, "ase")


def _kind(path: Path) -> str:
    """Return the suffix of LMDBs and npz files, or of LMDBs in a folder; any other path is ase's."""
    check_exists(path)
    if path.suffix in (LMDB, NPZ, ASELMDB) and not path.is_dir():
        return "" if path.suffix == ASELMDB else path.suffix
    if not path.is_dir():
        return LMDB if is_lmdb(path) else ""
    if _holds(path, LMDB) and _holds(path, ASELMDB):
        raise UserError(f"{path}: holds *{LMDB} and *{ASELMDB} files; expected one kind. Name a file, or move one")
    return LMDB if _holds(path, LMDB) else ""


def _holds(folder: Path, suffix: str) -> bool:
    return folder.is_dir() and any(folder.glob(f"*{suffix}"))


def _open(files: list[Path], single_file: bool, options: ReadOptions, labels: bool) -> FrameSource:
    units, keys = (options.units, options.length_units), options.keys
    if options.format == "lmdb":
        from ocp_dc.data.oc20_lmdb.record_frames import LmdbSource  # torch is slow to import

        return LmdbSource(files, *units, keys, labels)
    if options.format == "ase":
        from ocp_dc.data.readers.ase_files import AseSource
        from ocp_dc.data.readers.trajectories import AseFiles

        return AseSource(files[0], *units, keys, labels) if single_file else AseFiles(files, *units, keys, labels)
    assert options.format is not None
    return NpzSource(files[0], options.format, *units, keys, labels)
