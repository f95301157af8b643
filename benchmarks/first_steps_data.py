"""Make the two files of docs/first-steps.md: a molecule labeled by GFN2-xTB, and oxides labeled by CHGNet.

    pip install tblite rdkit chgnet
    python benchmarks/first_steps_data.py FOLDER

FOLDER/tryptophan.xyz: 600 geometries of tryptophan (27 atoms) from Langevin dynamics at 400 K on the GFN2-xTB surface,
10 fs apart, with REF_energy and REF_forces. FOLDER/oxides.db: 300 cells of MgO and CaO, displaced and strained, with
energy, forces and stress of CHGNet, whose weights come with its package. All in eV and Å, with fixed seeds; about 10
minutes on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from chgnet.model.dynamics import CHGNetCalculator
from xtb_molecule import molecule_from_smiles, sample_frames

TRYPTOPHAN = "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O"
LATTICES = {"MgO": 4.21, "CaO": 4.81}  # Å
TEMPERATURE_K = 400.0
STEPS_BETWEEN_FRAMES = 20  # 10 fs


def make_oxides(path: Path, structures: int) -> None:
    """Write cells of eight atoms in an order of both oxides in turn."""
    rng, chgnet = np.random.default_rng(1), CHGNetCalculator(use_device="cpu")
    with connect(path) as database:
        for index in range(structures):
            name = list(LATTICES)[index % len(LATTICES)]
            atoms = bulk(name, "rocksalt", a=LATTICES[name], cubic=True)
            strain = rng.normal(0, 0.01, (3, 3)) + rng.uniform(-0.03, 0.03) * np.eye(3)
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
            atoms.positions += rng.uniform(0, 0.12) * rng.normal(0, 1, atoms.positions.shape)
            atoms.calc = chgnet
            labels = {name: chgnet.get_property(name, atoms) for name in ("energy", "forces", "stress")}
            atoms.calc = SinglePointCalculator(atoms, **labels)
            database.write(atoms)


def main() -> None:
    """Make both files, at a smaller size with --frames and --structures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--structures", type=int, default=300)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    make_oxides(args.folder / "oxides.db", args.structures)
    frames = sample_frames(molecule_from_smiles(TRYPTOPHAN), TEMPERATURE_K, args.frames, STEPS_BETWEEN_FRAMES)
    write(args.folder / "tryptophan.xyz", frames, format="extxyz")


if __name__ == "__main__":
    main()
