"""Options of molecular dynamics and of relaxations: names, defaults, documentation and checks."""

from __future__ import annotations

import dataclasses
import math
from pathlib import PurePath
from typing import Any

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, whole_number
from ocp_dc.core.options import option
from ocp_dc.core.units import parse_pressure, parse_temperature, parse_time

TRAJECTORIES = (".traj", ".xyz", ".extxyz")
BOUND = 10.0  # largest temperature of a run, relative to the target or the first temperature


@dataclasses.dataclass(frozen=True)
class MDOptions:
    """Options of :func:`ocp_dc.dynamics.md.run_md`; the attributes below hold the quantities in fs, K and GPa."""

    ensemble: str = option("nvt", help="energy, temperature or pressure kept", choices=("nve", "nvt", "npt"))
    temperature: str | float = option("300 K", help="of the thermostat, and of velocities that the file does not have")
    time: str = option("10 ps", help="length of the run; a longer one continues a finished run")
    timestep: str = option("0.5 fs", help="time step")
    thermostat: str = option("langevin", help="of nvt; npt has langevin", choices=("langevin", "bussi"))
    thermostat_time: str = option("100 fs", help="time constant of the thermostat")
    pressure: str = option("0 GPa", help="of npt, including that of an ideal gas")
    barostat_time: str = option("1 ps", help="time constant of the barostat of npt")
    seed: int = option(0, help="seed of the velocities and of the thermostat")
    interval: int = option(10, help="steps between rows of the log, and between frames of the trajectory")
    trajectory: str = option("trajectory.traj", help="name of the trajectory in the folder: NAME.traj, NAME.xyz")
    max_temperature: str | float | None = option(
        None, help=f"the run stops above it (default: {BOUND:g} times the target, or the first temperature)"
    )
    allow_broken_bonds: bool = option(False, help="go on when a bond of the first structure breaks")

    def __post_init__(self) -> None:
        check_choices(self)
        positive = Number(0, above=True, nullable=False)
        for name in ("time", "timestep", "thermostat_time", "barostat_time"):
            positive.check(parse_time(getattr(self, name), name), f"{name} in fs")
        lowest = Number(0, above=self.ensemble != "nve", nullable=False)
        lowest.check(self.temperature_k, "temperature in K")
        parse_pressure(self.pressure, "pressure")
        if self.max_temperature is not None:
            positive.check(parse_temperature(self.max_temperature, "max_temperature"), "max_temperature in K")
        whole_number("seed", self.seed, least=0)
        whole_number("interval", self.interval)
        check_name("trajectory", self.trajectory)
        if self.steps < 1:
            raise UserError(f"time: got {self.time!r}, expected at least one time step of {self.timestep}")
        if self.ensemble == "npt" and self.thermostat != "langevin":
            raise bad_value("thermostat", self.thermostat, "langevin, the only one of npt")

    @property
    def timestep_fs(self) -> float:
        """The time step in fs."""
        return parse_time(self.timestep, "timestep")

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""
        return round(parse_time(self.time, "time") / self.timestep_fs)

    @property
    def temperature_k(self) -> float:
        """The temperature in K."""
        return parse_temperature(self.temperature, "temperature")

    def temperature_limit(self, first: float) -> float:
        """Return the temperature in K above which the run stops; infinite for a run that begins and is to stay at rest.

        Args:
            first: the temperature of the first structure in K.
        """
        if self.max_temperature is not None:
            return parse_temperature(self.max_temperature, "max_temperature")
        return BOUND * max(self.temperature_k, first) or math.inf

    def settings(self) -> dict[str, Any]:
        """Return what determines the trajectory, apart from its length, in fs, K and GPa."""
        found: dict[str, Any] = {
            "ensemble": self.ensemble,
            "temperature_K": self.temperature_k,
            "timestep_fs": self.timestep_fs,
            "seed": self.seed,
            "interval": self.interval,
            "trajectory": self.trajectory,
        }
        if self.ensemble != "nve":
            found["thermostat"] = self.thermostat
            found["thermostat_time_fs"] = parse_time(self.thermostat_time, "thermostat_time")
        if self.ensemble == "npt":
            found["pressure_GPa"] = parse_pressure(self.pressure, "pressure")
            found["barostat_time_fs"] = parse_time(self.barostat_time, "barostat_time")
        return found


@dataclasses.dataclass(frozen=True)
class RelaxOptions:
    """Options of :func:`ocp_dc.dynamics.relaxation.relax`."""

    fmax: float = option(0.01, help="largest force of a relaxed structure, in eV/Å")
    steps: int = option(500, help="largest number of steps of each structure")
    optimizer: str = option(
        "lbfgs", help="optimizer of ASE; fire suits rough starts", choices=("lbfgs", "bfgs", "fire")
    )
    cell: bool = option(False, help="relax the cell as well, which needs a model with stress")
    pressure: str = option("0 GPa", help="of a relaxed cell")

    def __post_init__(self) -> None:
        check_choices(self)
        Number(0, above=True, nullable=False).check(self.fmax, "fmax in eV/Å")
        whole_number("steps", self.steps)
        if self.pressure_gpa and not self.cell:
            raise bad_value("pressure", self.pressure, "0 GPa where the cell is fixed", mend="relax the cell with it")

    @property
    def pressure_gpa(self) -> float:
        """The pressure in GPa."""
        return parse_pressure(self.pressure, "pressure")


def check_choices(options: Any) -> None:
    """Raise UserError for an option that is none of its choices, or is a text in place of true or false."""
    for field in dataclasses.fields(options):
        value, choices = getattr(options, field.name), field.metadata["choices"]
        if choices is not None and value not in choices:
            raise bad_value(field.name, value, f"one of {', '.join(choices)}", names=choices)
        if isinstance(field.default, bool) and not isinstance(value, bool):
            raise bad_value(field.name, value, "true or false")


def check_name(path: str, name: str) -> None:
    """Raise UserError unless a name is that of a trajectory in a folder."""
    if PurePath(name).name != name or PurePath(name).suffix not in TRAJECTORIES:
        raise bad_value(path, name, f"a name without a folder that ends in {', '.join(TRAJECTORIES)}")
