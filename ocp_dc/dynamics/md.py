"""Molecular dynamics with any calculator of ASE: guarded, logged, and continued after an interruption."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_json
from ocp_dc.core.interrupts import deferred_sigint
from ocp_dc.core.locks import folder_lock
from ocp_dc.dynamics.figure import write_figure
from ocp_dc.dynamics.integrators import Integrator
from ocp_dc.dynamics.options import MDOptions
from ocp_dc.dynamics.run_folder import RunFolder, structure_digest
from ocp_dc.dynamics.summary import summarize
from ocp_dc.dynamics.velocities import set_velocities, temperature
from ocp_dc.dynamics.watch import BondWatch, too_close

SUMMARY, FIGURE = "summary.json", "dynamics.png"
SAVE_SECONDS = 20.0  # between two states on the disk; a killed run repeats the steps after the last one


def run_md(
    atoms: Atoms,
    calculator: Calculator,
    out: str | Path,
    options: MDOptions | None = None,
    origin: Mapping[str, str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Simulate a structure, or continue the simulation in ``out``; the result is that of an uninterrupted run.

    Args:
        atoms: the first structure, which is not changed; its momenta and constraints are kept.
        calculator: energies, forces and, for npt, stress.
        out: the folder of settings, state, log, trajectory, figure and summary.
        options: the options; None for the defaults.
        origin: where structure and calculator come from; a run is continued only with the same.
        progress: show a progress bar.

    Returns:
        The summary: means, drift of the total energy, speed, and ``stopped``, the reason for an early end or None.

    Raises:
        UserError: an option is not possible here, or ``out`` holds another run.
        KeyboardInterrupt: Ctrl-C was pressed; the state is saved.
    """
    options, folder = options or MDOptions(), Path(out)
    start = atoms.copy()
    start.calc = calculator
    if options.ensemble == "npt":
        check_stress(start, needed_by="npt")
        if start.constraints:
            raise UserError("npt: got a structure with fixed atoms, expected none; free them, or use nvt")
    start.get_forces()  # errors of the calculator are reported before a file is written
    with folder_lock(folder, "another simulation"):
        return _Simulation(start, folder, options, origin or {}).run(progress)


def check_stress(atoms: Atoms, needed_by: str) -> None:
    """Raise UserError unless the calculator of a structure gives its stress.

    Args:
        atoms: the structure with its calculator.
        needed_by: what needs it, for the message.
    """
    if "stress" not in atoms.calc.implemented_properties:
        raise UserError(
            f"{needed_by}: needs the stress, which this model does not predict (it predicts "
            f"{', '.join(atoms.calc.implemented_properties)}); keep the cell fixed"
        )
    if not atoms.pbc.all():
        flags = " ".join("T" if flag else "F" for flag in atoms.pbc)
        raise UserError(f"{needed_by}: got a structure with pbc {flags}, expected one with three periodic directions")


class _Simulation:
    """A simulation in its folder, from the start or from the saved step."""

    def __init__(self, atoms: Atoms, folder: Path, options: MDOptions, origin: Mapping[str, str]) -> None:
        self._atoms, self._options = atoms, options
        self._constraints = list(atoms.constraints)
        self._bonds = None if options.allow_broken_bonds else BondWatch(atoms)
        self._folder = RunFolder(folder, options.trajectory)
        settings = {**options.settings(), **origin, "structure": structure_digest(atoms)}
        rng = np.random.default_rng(options.seed)
        self._resumes = self._folder.check_settings(settings)
        if self._resumes:
            state = self._folder.restore(atoms)
            self._integrator = Integrator(atoms, options, rng, state)
        else:
            kept = set_velocities(atoms, options.temperature_k, rng)
            self._integrator = Integrator(atoms, options, rng)
            first = temperature(atoms, self._integrator.degrees_of_freedom)
            state = {"step": 0, "seconds": 0.0, "stopped": None, "kept_velocities": kept, "first_temperature": first}
        self._step, self._seconds, self._stopped = state["step"], state["seconds"], state["stopped"]
        self._kept, self._first = state["kept_velocities"], state["first_temperature"]
        self._limit = options.temperature_limit(self._first)

    def run(self, progress: bool) -> dict[str, Any]:
        """Make the missing steps and return the summary."""
        options, began = self._options, self._step
        if began > options.steps:
            raise UserError(
                f"{self._folder.path}: holds a run of {began} steps, more than the {options.steps} of {options.time}; "
                "ask for a longer time"
            )
        if not self._resumes:
            self._record()
            self._save()
        begin = saved = time.monotonic()
        before = self._seconds
        with (
            deferred_sigint() as interrupted,
            tqdm(total=options.steps, initial=began, unit="step", disable=None if progress else True) as bar,
        ):
            while self._step < options.steps and self._stopped is None and not interrupted():
                self._stopped = self._advance()
                self._seconds = before + time.monotonic() - begin
                bar.update()
                if self._stopped is None and self._step % options.interval == 0:
                    bar.set_postfix_str(self._record())
                if self._stopped is None and time.monotonic() - saved >= SAVE_SECONDS:
                    self._save()
                    saved = time.monotonic()
        self._save()
        if interrupted():
            raise KeyboardInterrupt(f"step {self._step} of {options.steps} is saved; the same command continues")
        return self._finish()

    def _advance(self) -> str | None:
        """Make one step; return the reason why the simulation must stop, or None."""
        atoms, step = self._atoms, self._step + 1
        try:
            self._integrator.step()
        except UserError as error:  # of a structure that the calculator refuses
            return f"step {step}: {error}"
        self._step = step
        results = atoms.calc.results  # ase would compare all atoms first
        if not (np.isfinite(results["forces"]).all() and np.isfinite(results["energy"])):
            return f"step {step}: the forces or the energy are not finite"
        if (reason := self._look()) is None:
            return None
        self._record()  # the frame that shows it
        return f"step {step}: {reason}"

    def _look(self) -> str | None:
        """Return what is wrong with the structure, or None."""
        atoms = self._atoms
        if self._bonds is not None and (broken := self._bonds.broken(atoms)) is not None:
            return broken
        kelvin = temperature(atoms, self._integrator.degrees_of_freedom)
        if not kelvin <= self._limit:
            return f"the temperature runs away: {kelvin:.0f} K, above {self._limit:.0f} K"
        return too_close(atoms) if self._step % self._options.interval == 0 else None

    def _record(self) -> str:
        """Add a row and a frame; return what the progress bar shows."""
        atoms, step = self._atoms, self._step
        potential, kinetic = float(atoms.get_potential_energy()), float(atoms.get_kinetic_energy())
        kelvin = temperature(atoms, self._integrator.degrees_of_freedom)
        row: dict[str, object] = {
            "step": step,
            "time_ps": round(step * self._options.timestep_fs * 1e-3, 9),
            "potential_eV": potential,
            "kinetic_eV": kinetic,
            "total_eV": potential + kinetic,
            "temperature_K": kelvin,
        }
        if "stress" in atoms.calc.implemented_properties and atoms.pbc.all():
            stress = atoms.get_stress(include_ideal_gas=True, apply_constraint=False)
            row["pressure_GPa"] = float(-stress[:3].mean() / units.GPa)
            row["volume_A3"] = float(atoms.get_volume())
        if "forces_std" in atoms.calc.results:  # of an ensemble of models
            row["forces_std_max_eV_A"] = float(np.max(atoms.calc.results["forces_std"]))
        self._folder.add(row, atoms, self._constraints)
        return f"{potential + kinetic:.4f} eV, {kelvin:.0f} K"

    def _save(self) -> None:
        state = {
            "step": self._step,
            "seconds": self._seconds,
            "stopped": self._stopped,
            "kept_velocities": self._kept,
            "first_temperature": self._first,
        }
        self._folder.save(self._atoms, {**state, **self._integrator.state()})

    def _finish(self) -> dict[str, Any]:
        options, log = self._options, self._folder.columns()
        summary = {
            "stopped": self._stopped,
            "velocities": "of the file" if self._kept else "Maxwell-Boltzmann",
            "degrees_of_freedom": self._integrator.degrees_of_freedom,
            **summarize(log, len(self._atoms), options.timestep_fs, self._step, self._seconds),
            **options.settings(),
        }
        write_json(self._folder.path / SUMMARY, summary)
        write_figure(self._folder.path / FIGURE, log, len(self._atoms), options)
        return summary
