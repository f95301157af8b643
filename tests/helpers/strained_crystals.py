"""Strained crystals with the energies, forces and stresses of ase's effective medium theory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocp_dc.data.prepare import prepare


def crystal(seed: int) -> Atoms:
    """Return a strained and rattled crystal of copper and gold with its labels."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.numbers[rng.integers(0, 4)] = 79
    strain = rng.normal(0, 0.03, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    atoms.positions += rng.normal(0, 0.05, (4, 3))
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def write_crystals(folder: Path, to: str) -> Path:
    """Write a data set of 60 crystals, in a layout of ``ocp-dc prepare``."""
    source = folder / "crystals.xyz"
    write(source, [crystal(seed) for seed in range(60)])
    prepare(source, folder / "data", format="ase", train=40, val=10, test=10, to=to, progress=False)
    return folder / "data"
