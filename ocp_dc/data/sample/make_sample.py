"""Make the bundled sample: ethanol at 500 K, sampled and labeled with GFN2-xTB.

Usage: ``python -m ocp_dc.data.sample.make_sample ethanol_500K_gfn2.npz`` (needs ``pip install tblite==0.8.0``).

The trajectory is Langevin molecular dynamics on the GFN2-xTB surface (Bannwarth, Ehlert and Grimme,
J. Chem. Theory Comput. 2019, 15, 1652) as implemented by tblite, with a fixed seed. The file has the revised-MD17
layout, with energies in eV and forces in eV/Å.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

TEMPERATURE_K = 500.0
TIMESTEP_FS = 0.5
FRICTION_PER_FS = 0.01
EQUILIBRATION_STEPS = 4000  # 2 ps
STEPS_BETWEEN_FRAMES = 20  # 10 fs
SEED = 0


def sample(frames: int, seed: int = SEED) -> dict[str, np.ndarray]:
    """Run the dynamics and return the arrays of the revised-MD17 layout.

    Args:
        frames: number of frames to keep, ``STEPS_BETWEEN_FRAMES`` steps apart.
        seed: seed of the initial velocities and of the thermostat.

    Returns:
        nuclear_charges [N], coords [frames, N, 3] in Å, energies [frames] in eV and
        forces [frames, N, 3] in eV/Å.
    """
    from ase import units
    from ase.build import molecule
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import thermalize_momenta
    from tblite.ase import TBLite

    rng = np.random.default_rng(seed)
    atoms = molecule("CH3CH2OH")
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    thermalize_momenta(atoms, temperature_K=TEMPERATURE_K, rng=rng)
    dynamics = Langevin(
        atoms,
        timestep=TIMESTEP_FS * units.fs,
        temperature_K=TEMPERATURE_K,
        friction=FRICTION_PER_FS / units.fs,
        rng=rng,
        fixcm=False,  # ASE's fixcm=True biases the ensemble of a small molecule
    )
    dynamics.run(EQUILIBRATION_STEPS)

    coords, energies, forces = [], [], []
    for _ in range(frames):
        dynamics.run(STEPS_BETWEEN_FRAMES)
        # The center of mass drifts under Langevin dynamics and carries no information.
        coords.append(atoms.get_positions() - atoms.get_center_of_mass())
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return {
        "nuclear_charges": atoms.numbers.astype(np.uint8),
        "coords": np.asarray(coords, dtype=np.float32),
        "energies": np.asarray(energies, dtype=np.float64),
        "forces": np.asarray(forces, dtype=np.float32),
    }


def main() -> None:
    """Write the sample to the path given on the command line; an existing file is never overwritten."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=2000)
    args = parser.parse_args()
    if args.out.exists():
        parser.error(f"{args.out} exists; remove it or give another name")
    np.savez_compressed(args.out, **sample(args.frames))


if __name__ == "__main__":
    main()
