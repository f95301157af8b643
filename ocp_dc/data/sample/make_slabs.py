"""Make the periodic sample: adsorbates on metal slabs at 300 K, sampled and labeled with ASE's EMT.

Usage: ``python -m ocp_dc.data.sample.make_slabs slabs_300K_emt.traj``

EMT is the effective medium theory of Jacobsen, Stoltze and Nørskov (Surf. Sci. 1996, 366, 394) as implemented in
ASE. Its parameters for H, C, N and O are meant for tests only: the labels are consistent and cheap to compute, but not
chemically meaningful.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import add_adsorbate, fcc111
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.data import reference_states
from ase.io.trajectory import TrajectoryWriter
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import thermalize_momenta
from ase.optimize import BFGS

METALS = ("Ag", "Au", "Cu", "Ni", "Pd", "Pt")
ADSORBATES = ("H", "C", "N", "O", "CO", "OH", "NH", "CH", "NO")
SITES = ("ontop", "bridge", "fcc", "hcp")
HEIGHT = 1.6  # Å above the surface, before relaxation
BOND = 1.1  # Å, before relaxation
VACUUM = 6.0  # Å on each side
TEMPERATURE_K = 300.0
TIMESTEP_FS = 1.0
FRICTION_PER_FS = 0.02
STEPS_BETWEEN_FRAMES = 20
RELAXATION_STEPS = 50
SYSTEMS = 60
FRAMES_PER_SYSTEM = 5
SEED = 0


def slab(rng: np.random.Generator) -> Atoms:
    """Return a random fcc(111) slab of one or two metals, 2 × 2 × 3, with an adsorbate.

    The two lower layers are fixed and have the tag 0; the surface has the tag 1 and the adsorbate 2, as in OC20. All
    three directions are periodic.
    """
    host, guest = rng.choice(METALS, size=2)
    atoms = fcc111(host, (2, 2, 3), a=reference_states[Atoms(host).numbers[0]]["a"], vacuum=VACUUM, periodic=True)
    atoms.symbols[rng.choice(12, size=rng.integers(0, 5), replace=False)] = guest
    layer = atoms.get_tags()  # 1 is the surface
    name = str(rng.choice(ADSORBATES))
    adsorbate = Atoms(name, positions=[(0.0, 0.0, BOND * k) for k in range(len(Atoms(name)))])  # upright
    add_adsorbate(atoms, adsorbate, HEIGHT, position=str(rng.choice(SITES)))
    tags = np.full(len(atoms), 2)
    tags[: len(layer)] = np.where(layer == 1, 1, 0)
    atoms.set_tags(tags)
    atoms.set_constraint(FixAtoms(np.flatnonzero(tags == 0)))
    atoms.info.clear()
    return atoms


def frames(systems: int = SYSTEMS, per_system: int = FRAMES_PER_SYSTEM, seed: int = SEED) -> Iterator[Atoms]:
    """Yield labeled frames: each system is relaxed, then sampled by Langevin dynamics.

    Args:
        systems: the number of slabs.
        per_system: the number of frames of each slab, ``STEPS_BETWEEN_FRAMES`` steps apart.
        seed: seed of slabs, velocities and thermostat.

    Yields:
        Atoms with energy (eV) and forces (eV/Å, also of fixed atoms) on a single-point calculator, and the
        numbers of the system and of its frame as ``sid`` and ``fid`` in ``info``.
    """
    rng = np.random.default_rng(seed)
    for sid in range(systems):
        atoms = slab(rng)
        atoms.calc = EMT()
        BFGS(atoms, logfile=None).run(fmax=0.05, steps=RELAXATION_STEPS)
        thermalize_momenta(atoms, temperature_K=TEMPERATURE_K, rng=rng)
        dynamics = Langevin(
            atoms,
            timestep=TIMESTEP_FS * units.fs,
            temperature_K=TEMPERATURE_K,
            friction=FRICTION_PER_FS / units.fs,
            rng=rng,
            fixcm=False,
        )
        for fid in range(per_system):
            dynamics.run(STEPS_BETWEEN_FRAMES)
            frame = Atoms(
                atoms.numbers,
                atoms.positions,
                cell=atoms.cell,
                pbc=True,
                tags=atoms.get_tags(),
                constraint=atoms.constraints,
                info={"sid": sid, "fid": fid},
            )
            labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(apply_constraint=False)}
            frame.calc = SinglePointCalculator(frame, **labels)
            yield frame


def main() -> None:
    """Write the sample to the path given on the command line; an existing file is never overwritten."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out} exists; remove it or give another name")
    with TrajectoryWriter(str(args.out)) as trajectory:
        for frame in frames():
            trajectory.write(frame)


if __name__ == "__main__":
    main()
