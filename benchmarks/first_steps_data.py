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
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from chgnet.model.dynamics import CHGNetCalculator
from rdkit import Chem
from rdkit.Chem import AllChem
from tblite.ase import TBLite

TRYPTOPHAN = "N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O"
LATTICES = {"MgO": 4.21, "CaO": 4.81}  # Å
TEMPERATURE_K = 400.0


def molecule_from_smiles(smiles: str) -> Atoms:
    """Return a molecule in a geometry of the MMFF94 force field."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=0)
    AllChem.MMFFOptimizeMolecule(mol)
    return Atoms([atom.GetSymbol() for atom in mol.GetAtoms()], mol.GetConformer().GetPositions())


def make_molecule(path: Path, frames: int) -> None:
    """Write frames of molecular dynamics, after 2 ps of equilibration."""
    rng = np.random.default_rng(0)
    atoms = molecule_from_smiles(TRYPTOPHAN)
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    thermalize_momenta(atoms, temperature_K=TEMPERATURE_K, rng=rng)
    friction = 0.01 / units.fs
    dynamics = Langevin(atoms, 0.5 * units.fs, temperature_K=TEMPERATURE_K, friction=friction, rng=rng, fixcm=False)
    dynamics.run(4000)
    kept = []
    for _ in range(frames):
        dynamics.run(20)
        frame = Atoms(atoms.numbers, atoms.positions - atoms.get_center_of_mass())
        frame.info["REF_energy"] = atoms.get_potential_energy()
        frame.arrays["REF_forces"] = atoms.get_forces()
        kept.append(frame)
    write(path, kept, format="extxyz")


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
    make_molecule(args.folder / "tryptophan.xyz", args.frames)


if __name__ == "__main__":
    main()
