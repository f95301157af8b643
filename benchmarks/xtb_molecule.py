"""Sample a molecule by Langevin dynamics on the GFN2-xTB surface, and write its frames with energies and forces.

    pip install tblite rdkit
    python benchmarks/xtb_molecule.py 'CC(=O)N[C@@H](C)C(=O)NC' dipeptide.xyz --temperature 500 --frames 600

The start is a geometry of MMFF94. After 2 ps of equilibration, frames are kept every 25 fs (``--every``), in eV and Å,
as REF_energy and REF_forces. Seeds are fixed. The alanine dipeptide above (22 atoms) takes 8 minutes on one core.
GFN2-xTB: Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 2019, 15, 1652.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.io import write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from rdkit import Chem
from rdkit.Chem import AllChem
from tblite.ase import TBLite

TIMESTEP_FS = 0.5
EQUILIBRATION_STEPS = 4000  # 2 ps


def molecule_from_smiles(smiles: str) -> Atoms:
    """Return a molecule in a geometry of the MMFF94 force field."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=0)
    AllChem.MMFFOptimizeMolecule(mol)
    return Atoms([atom.GetSymbol() for atom in mol.GetAtoms()], mol.GetConformer().GetPositions())


def sample_frames(atoms: Atoms, temperature_K: float, frames: int, every: int) -> list[Atoms]:
    """Return frames of molecular dynamics, ``every`` steps of 0.5 fs apart, after the equilibration."""
    rng = np.random.default_rng(0)
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    thermalize_momenta(atoms, temperature_K=temperature_K, rng=rng)
    dynamics = Langevin(
        atoms, TIMESTEP_FS * units.fs, temperature_K=temperature_K, friction=0.01 / units.fs, rng=rng, fixcm=False
    )
    dynamics.run(EQUILIBRATION_STEPS)
    kept = []
    for _ in range(frames):
        dynamics.run(every)
        frame = Atoms(atoms.numbers, atoms.positions - atoms.get_center_of_mass())
        frame.info["REF_energy"] = atoms.get_potential_energy()
        frame.arrays["REF_forces"] = atoms.get_forces()
        kept.append(frame)
    return kept


def main() -> None:
    """Sample the molecule that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("smiles")
    parser.add_argument("out", type=Path)
    parser.add_argument("--temperature", type=float, default=500.0, help="in K")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--every", type=int, default=50, help="steps of 0.5 fs between frames")
    args = parser.parse_args()
    frames = sample_frames(molecule_from_smiles(args.smiles), args.temperature, args.frames, args.every)
    write(args.out, frames, format="extxyz")


if __name__ == "__main__":
    main()
