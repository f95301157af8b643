"""Files of structures as users have them, with labels of classical potentials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write


def molecules(path: Path, count: int = 30) -> Path:
    """Molecules of 27 atoms as extended XYZ, with labels named REF_energy and REF_forces."""
    rng = np.random.default_rng(0)
    base, other = molecule("C6H6"), molecule("isobutane")
    other.translate([0, 0, 5.0])
    base = base + other + Atoms("H", [[6.0, 0, 0]])
    images = []
    for _ in range(count):
        atoms = base.copy()
        atoms.rattle(0.05, rng=rng)
        atoms.calc = LennardJones(epsilon=0.1, sigma=1.0, rc=6.0)
        atoms.info["REF_energy"] = float(atoms.get_potential_energy()) - 1000
        atoms.arrays["REF_forces"] = atoms.get_forces()
        atoms.calc = None
        images.append(atoms)
    write(path, images)
    return path


def oxides(path: Path, count: int = 30) -> Path:
    """Periodic oxides of two elements and two sizes, as a database of ase."""
    rng = np.random.default_rng(0)
    with connect(path) as database:
        for number in range(count):
            atoms = bulk(["MgO", "CaO"][number % 2], "rocksalt", a=4.3, cubic=number % 3 == 0)
            atoms.rattle(0.05, rng=rng)
            atoms.calc = LennardJones(epsilon=0.3, sigma=1.9, rc=5.0)
            labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
            atoms.calc = SinglePointCalculator(atoms, **labels)
            database.write(atoms)
    return path
