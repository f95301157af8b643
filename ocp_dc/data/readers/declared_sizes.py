"""Check of the sizes that a text file of structures declares, before a reader loops or allocates memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from ocp_dc.core.errors import UserError

OPENERS: dict[str, Callable[..., BinaryIO]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}  # type: ignore[dict-item]
LARGEST_RATIO = 1000  # of unpacked to packed size; structures as text reach 3 to 20
ALWAYS_UNPACKED = 1 << 26  # bytes; unpacking to less is always accepted
BLOCK = 1 << 20
LEAST_BYTES_PER_ATOM = 2  # a symbol and a line break
PROPERTIES = re.compile(rb"""Properties["']?\s*=\s*["']?([^\s"']+)""")  # of extended XYZ: name:type:columns, ...

POSCAR = "vasp"  # ase's name

# Formats whose headers declare sizes, and from which ase reads no energies.
WITHOUT_ENERGIES = {
    POSCAR: "a POSCAR",
    "vasp-xdatcar": "an XDATCAR",
    "lammps-dump-text": "a LAMMPS dump",  # ase sets all energies to 0
    "lammps-dump-binary": "a LAMMPS dump",
    "lammps-data": "a LAMMPS data file",
    "cube": "a cube file",
    "cfg": "an AtomEye cfg file",
    "xsf": "an XSF file",
}


def check_declared_sizes(path: Path, kind: str, labels: bool = True) -> None:
    """Check that a file does not declare more than it can hold, and that its format has energies if they are needed.

    Args:
        path: the file; it may be compressed as ``.gz``, ``.bz2`` or ``.xz``.
        kind: ase's name of the format.
        labels: energies are needed.

    Raises:
        UserError: the file is not valid.
    """
    if kind in WITHOUT_ENERGIES and labels:
        raise UserError(
            f"{path}: {WITHOUT_ENERGIES[kind]}, which holds no energies; expected a file with energies and forces, such"
            " as extended XYZ, a trajectory of ase, or the output of the calculation"
        )
    if kind in WITHOUT_ENERGIES and kind != POSCAR:
        raise UserError(f"{path}: {WITHOUT_ENERGIES[kind]}; expected extended XYZ or a trajectory of ase. Convert it")
    size = _unpacked_size(path)
    if kind in ("xyz", "extxyz"):
        _check_atom_counts(path, size)
    elif kind == POSCAR:
        _check_poscar(path, size)


def _unpacked_size(path: Path) -> int:
    packed = path.stat().st_size
    if path.suffix not in OPENERS:
        return packed
    limit = max(ALWAYS_UNPACKED, LARGEST_RATIO * packed)
    size = 0
    try:
        with OPENERS[path.suffix](path, "rb") as file:
            while block := file.read(BLOCK):
                size += len(block)
                if size > limit:
                    raise UserError(
                        f"{path}: {packed} bytes unpack to more than {limit}; expected at most {LARGEST_RATIO} times as"
                        " many. If the file is genuine, unpack it first"
                    )
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: cannot be unpacked ({error}); is it damaged, or cut short?") from error
    return size


def _check_atom_counts(path: Path, size: int) -> None:
    """Check the number of atoms of each frame of an XYZ file; ase finds all other mistakes."""
    with OPENERS.get(path.suffix, open)(path, "rb") as file:
        read, frame = 0, 0
        while line := file.readline():
            read += len(line)
            try:
                atoms = int(line)
            except ValueError:
                if line.lstrip().startswith(b"VEC"):  # cell vectors after the atoms
                    continue
                return
            if not 0 <= LEAST_BYTES_PER_ATOM * atoms <= size - read:
                raise UserError(
                    f"{path}: frame {frame} declares {atoms} atoms, but {size - read} bytes of the file are left; is it"
                    " cut short, or is the number wrong?"
                )
            comment = file.readline()
            _check_columns(comment, size, f"{path}: frame {frame}")
            read += len(comment) + sum(len(atom) for atom in islice(file, atoms))
            frame += 1


def _check_poscar(path: Path, size: int) -> None:
    """Check the numbers of atoms, which are whole numbers in line 6 or 7."""
    with OPENERS.get(path.suffix, open)(path, "rb") as file:
        for line in islice(file, 5, 7):
            counts = [int(word) for word in line.split() if word.isdigit()]
            if LEAST_BYTES_PER_ATOM * sum(counts) > size:
                raise UserError(
                    f"{path}: declares {sum(counts)} atoms, but the whole file has {size} bytes; is it cut short, or "
                    "is the number wrong?"
                )


def _check_columns(comment: bytes, size: int, where: str) -> None:
    """Check that a line can hold the declared columns, as ase allocates a field for each before it reads."""
    for properties in PROPERTIES.findall(comment):
        for columns in properties.split(b":")[2::3]:
            try:
                declared = int(columns)
            except ValueError:  # ase has a better message
                continue
            if 2 * declared > size:
                raise UserError(
                    f"{where} declares a property of {declared} columns, but the whole file has {size} bytes; is it "
                    "cut short, or is the number wrong?"
                )
