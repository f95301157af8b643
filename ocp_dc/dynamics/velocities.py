"""Velocities of the first structure, and the degrees of freedom that share its kinetic energy."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary, ZeroRotation

NEGLIGIBLE = 1e-6  # share of the kinetic energy below which a rigid motion is absent


def set_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> bool:
    """Give atoms velocities of the Maxwell-Boltzmann distribution, unless they have momenta.

    Free structures get no total momentum, and molecules no angular momentum. Constraints are applied.

    Args:
        atoms: the structure, which is changed.
        temperature: in K.
        rng: the random numbers.

    Returns:
        whether the structure had momenta, which are kept.
    """
    if atoms.has("momenta") and atoms.get_momenta().any():
        return True
    widths = np.sqrt(atoms.get_masses() * units.kB * temperature)[:, None]
    atoms.set_momenta(widths * rng.standard_normal((len(atoms), 3)))  # [N, 3]
    if len(atoms) > 1 and not atoms.constraints and temperature > 0:
        # the momenta of the remaining degrees of freedom are not scaled: each keeps kT/2
        Stationary(atoms, preserve_temperature=False)
        if not atoms.pbc.any():
            with np.errstate(divide="ignore", invalid="ignore"):  # a linear molecule has a moment of inertia of zero
                ZeroRotation(atoms, preserve_temperature=False)
    return False


def degrees_of_freedom(atoms: Atoms, conserves_momenta: bool) -> int:
    """Return the number of degrees of freedom that share the kinetic energy, at least 1.

    Args:
        atoms: the structure, with momenta.
        conserves_momenta: whether the integrator keeps total and, in molecules, angular momentum: where they are zero
            at the start they remain zero.
    """
    count = int(atoms.get_number_of_degrees_of_freedom())  # without constrained ones
    kinetic = atoms.get_kinetic_energy()
    if not conserves_momenta or atoms.constraints or len(atoms) == 1:
        return max(count, 1)
    total = atoms.get_momenta().sum(axis=0)
    if total @ total / (2 * atoms.get_masses().sum()) <= NEGLIGIBLE * kinetic:  # also at rest
        count -= 3
    if not atoms.pbc.any():
        moments, axes = atoms.get_moments_of_inertia(vectors=True)
        turning = moments > 1e-6 * moments.max()  # a linear molecule has two axes
        angular = (axes @ atoms.get_angular_momentum())[turning]
        if np.sum(angular**2 / (2 * moments[turning])) <= NEGLIGIBLE * kinetic:
            count -= int(turning.sum())
    return max(count, 1)


def temperature(atoms: Atoms, freedom: int) -> float:
    """Return the temperature in K of a structure whose kinetic energy is shared by ``freedom`` degrees of freedom."""
    return float(2 * atoms.get_kinetic_energy() / (freedom * units.kB))
