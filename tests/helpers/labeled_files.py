"""Data sets as files of structures, in other units and with other names of the labels."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from ase import Atoms
from ase.io import write

from ocp_dc.data.structures import open_structures

SPLITS = ("train", "val", "test")
KCAL = 0.0433641153087705


def write_files(prepared: Path, out: Path) -> dict[str, Path]:
    """Write a prepared data set as extended XYZ in kcal/mol, with REF_energy and REF_forces; return the files."""
    for split in SPLITS:
        images = []
        with closing(open_structures(prepared / split)) as source:
            for frame in (source[index] for index in range(len(source))):
                atoms = Atoms(frame.numbers, frame.positions)
                atoms.info["REF_energy"] = frame.energy / KCAL
                atoms.arrays["REF_forces"] = frame.forces / KCAL
                images.append(atoms)
        write(out / f"{split}.xyz", images)
    return {split: out / f"{split}.xyz" for split in SPLITS}
