"""Relaxation of structures with any calculator of ASE."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, FIRE, LBFGS

from ocp_dc.core.errors import UserError
from ocp_dc.dynamics.md import check_stress
from ocp_dc.dynamics.options import RelaxOptions
from ocp_dc.dynamics.trajectory import frame_of

OPTIMIZERS = {"lbfgs": LBFGS, "bfgs": BFGS, "fire": FIRE}


@dataclasses.dataclass(frozen=True)
class Relaxation:
    """A structure after its relaxation.

    Args:
        atoms: the structure with energy and forces, as far as it came.
        steps: the steps that were made.
        energy_change: in eV.
        fmax: the largest force on an atom in eV/Å, constraints applied.
        volume_change: relative; None where the cell was fixed.
        problem: why it ended before it converged, or None.
    """

    atoms: Atoms
    steps: int
    energy_change: float
    fmax: float
    volume_change: float | None
    problem: str | None

    @property
    def converged(self) -> bool:
        """True if forces, and the stress of a relaxed cell, are below the limit."""
        return self.problem is None


def relax(structures: Sequence[Atoms], calculator: Calculator, options: RelaxOptions | None = None) -> list[Relaxation]:
    """Relax structures one after another; arguments and errors as of :func:`iter_relax`."""
    return list(iter_relax(structures, calculator, options))


def iter_relax(
    structures: Sequence[Atoms], calculator: Calculator, options: RelaxOptions | None = None
) -> Iterator[Relaxation]:
    """Relax structures and yield each when it is done.

    Args:
        structures: the structures, which are not changed; their constraints are kept.
        calculator: energies, forces and, for a relaxed cell, stress.
        options: the options; None for the defaults.

    Raises:
        UserError: the calculator refuses a first structure, or gives no stress for a cell to relax.
    """
    options = options or RelaxOptions()
    for number, structure in enumerate(structures):
        atoms = structure.copy()
        atoms.calc = calculator
        if options.cell:
            check_stress(atoms, needed_by=f"structure {number}: cell")
        yield _relax(atoms, options)


def _relax(atoms: Atoms, options: RelaxOptions) -> Relaxation:
    energy, volume = atoms.get_potential_energy(), atoms.cell.volume
    pressure = options.pressure_gpa * units.GPa
    target = FrechetCellFilter(atoms, scalar_pressure=pressure) if options.cell else atoms
    optimizer = OPTIMIZERS[options.optimizer](target, logfile=None)
    problem, good = None, frame_of(atoms, atoms.constraints)
    try:
        for converged in optimizer.irun(fmax=options.fmax, steps=options.steps):
            forces = atoms.get_forces()
            if not np.isfinite(forces).all():
                problem = "the forces are not finite"
                break
            good = frame_of(atoms, atoms.constraints)
            if converged:
                break
        else:
            problem = f"not converged within {options.steps} steps"
    except UserError as error:  # of a structure that the calculator refuses
        problem = str(error)
    return Relaxation(
        atoms=good,
        steps=int(optimizer.nsteps),
        energy_change=float(good.get_potential_energy() - energy),
        fmax=float(np.linalg.norm(good.get_forces(), axis=1).max()),
        volume_change=float(good.cell.volume / volume - 1) if options.cell else None,
        problem=problem,
    )
