"""Make a set of bulk alloys, labeled with ASE's EMT: random fcc cells of two metals, strained and displaced.

    python benchmarks/emt_bulk.py bulk.traj --structures 300

Each structure is another one (16 atoms, two of Ag, Au, Cu, Ni, Pd and Pt at a random ratio; lattice constants between
those of the metals; strains of 2 % and displacements of 0.02 to 0.12 Å), so that no split has two frames of one
trajectory. Energies, forces and stresses are those of the effective medium theory of Jacobsen, Stoltze and Nørskov
(Surf. Sci. 1996, 366, 394), in eV and Å. Some seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

LATTICE = {"Ag": 4.09, "Au": 4.08, "Cu": 3.61, "Ni": 3.52, "Pd": 3.89, "Pt": 3.92}  # Å


def alloy(rng: np.random.Generator) -> Atoms:
    """Return a labeled cell of a random alloy."""
    first, second = rng.choice(list(LATTICE), size=2, replace=False)
    share = rng.uniform()  # of the second metal
    constant = (1 - share) * LATTICE[first] + share * LATTICE[second]
    atoms = bulk(first, "fcc", a=constant, cubic=True) * (2, 2, 1)
    atoms.symbols[rng.uniform(size=len(atoms)) < share] = second
    strain = rng.normal(0, 0.02, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    atoms.positions += rng.uniform(0.02, 0.12) * rng.normal(size=atoms.positions.shape)
    atoms.calc = EMT()
    labels = {name: atoms.calc.get_property(name, atoms) for name in ("energy", "forces", "stress")}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def main() -> None:
    """Write the structures that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--structures", type=int, default=300)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    write(args.out, [alloy(rng) for _ in range(args.structures)])


if __name__ == "__main__":
    main()
