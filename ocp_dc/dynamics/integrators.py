"""Integrators of ASE whose whole state can be saved."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.langevinbaoab import LangevinBAOAB
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet

from ocp_dc.core.units import parse_pressure, parse_time
from ocp_dc.dynamics.options import MDOptions
from ocp_dc.dynamics.velocities import degrees_of_freedom


class Integrator:
    """An integrator of ASE with its random numbers and its degrees of freedom.

    nve is velocity Verlet. nvt is Langevin dynamics with a fixed center of mass, unless atoms are fixed, or velocity
    rescaling of Bussi. npt is Langevin dynamics of atoms and volume (BAOAB); the shape of the cell is kept.

    Args:
        atoms: the structure with calculator and momenta; it may get a constraint.
        options: the options.
        rng: the random numbers of the thermostat.
        state: what :meth:`state` returned at an earlier step, with the atoms of that step; None at the start.
    """

    def __init__(
        self, atoms: Atoms, options: MDOptions, rng: np.random.Generator, state: Mapping[str, Any] | None = None
    ) -> None:
        self.rng, self._atoms = rng, atoms
        if state is not None:
            rng.bit_generator.state = state["rng"]
        langevin = options.ensemble == "npt" or (options.ensemble == "nvt" and options.thermostat == "langevin")
        if options.ensemble == "nvt" and langevin and not atoms.constraints and len(atoms) > 1:
            momenta = atoms.get_momenta()
            atoms.set_constraint(FixCom())
            atoms.set_momenta(momenta, apply_constraint=state is None)
        self.degrees_of_freedom = (
            degrees_of_freedom(atoms, not langevin) if state is None else int(state["degrees_of_freedom"])
        )
        self.dynamics = self._make(options, langevin)
        if state is not None and "barostat" in state:
            self.dynamics.p_eps, self.dynamics.force_eps = state["barostat"]

    def step(self) -> None:
        """Make one step."""
        self.dynamics.step()

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on besides the atoms, as plain data."""
        found = {"rng": self.rng.bit_generator.state, "degrees_of_freedom": self.degrees_of_freedom}
        if isinstance(self.dynamics, LangevinBAOAB):
            # the force is that of the last step, in the middle of which it was computed
            found["barostat"] = [float(self.dynamics.p_eps), float(self.dynamics.force_eps)]
        return found

    def _make(self, options: MDOptions, langevin: bool) -> Any:
        atoms, step, rng = self._atoms, options.timestep_fs * units.fs, self.rng
        kelvin, relaxation = options.temperature_k, parse_time(options.thermostat_time, "thermostat_time") * units.fs
        if options.ensemble == "nve":
            return VelocityVerlet(atoms, step)
        if options.ensemble == "npt":
            return self._langevin_volume(options, step, relaxation)
        if langevin:
            return Langevin(atoms, step, temperature_K=kelvin, friction=1 / relaxation, fixcm=False, rng=rng)
        bussi = Bussi(atoms, step, temperature_K=kelvin, taut=relaxation, rng=rng)
        # ase counts the total momentum, which this thermostat conserves
        bussi.ndof = self.degrees_of_freedom
        bussi.target_kinetic_energy = 0.5 * units.kB * kelvin * bussi.ndof
        return bussi

    def _langevin_volume(self, options: MDOptions, step: float, relaxation: float) -> MolecularDynamics:
        with warnings.catch_warnings():  # it tells the mass of the barostat that it derives from P_tau
            warnings.filterwarnings("ignore", "Using heuristic P_mass")
            return LangevinBAOAB(
                self._atoms,
                step,
                temperature_K=options.temperature_k,
                externalstress=-parse_pressure(options.pressure, "pressure") * units.GPa,
                hydrostatic=True,
                T_tau=relaxation,
                P_tau=parse_time(options.barostat_time, "barostat_time") * units.fs,
                rng=self.rng,
            )
