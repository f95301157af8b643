"""What a simulation gave, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def energy_drift(times: np.ndarray, energies: np.ndarray) -> tuple[float, float]:
    """Return the slope of a straight line through energies, and the root mean square distance from that line.

    Args:
        times: [T].
        energies: [T].

    Returns:
        The slope per unit of time, and the distance in the unit of the energies; NaN with fewer than two points or
        where an energy is not finite.
    """
    if len(times) < 2 or not np.isfinite(energies).all():
        return float("nan"), float("nan")
    slope, start = np.polyfit(times, energies - energies[0], 1)
    distances = energies - energies[0] - start - slope * times
    return float(slope), float(np.sqrt(np.mean(distances**2)))


def summarize(log: Mapping[str, np.ndarray], natoms: int, timestep: float, steps: int, seconds: float) -> dict[str, Any]:
    """Return means over a log and the speed.

    Args:
        log: the columns of the log, as :mod:`ocp_dc.dynamics.md` names them.
        natoms: the number of atoms.
        timestep: in fs.
        steps: the steps that were made.
        seconds: the time that they took.
    """
    slope, rms = energy_drift(log["time_ps"], 1e3 * log["total_eV"] / natoms)
    temperatures = log["temperature_K"]
    per_step = seconds / steps if steps else float("nan")
    found = {
        "steps": steps,
        "time_ps": steps * timestep * 1e-3,
        "natoms": natoms,
        "temperature_mean_K": float(temperatures.mean()),
        "temperature_std_K": float(temperatures.std()),
        "temperature_second_half_mean_K": float(temperatures[len(temperatures) // 2 :].mean()),
        "total_energy_drift_meV_per_atom_ps": slope,
        "total_energy_rms_meV_per_atom": rms,
        "seconds": seconds,
        "seconds_per_step": per_step,
        "ns_per_day": timestep * 1e-6 / per_step * 86400 if per_step else float("nan"),
    }
    for column in ("pressure_GPa", "volume_A3"):
        if column in log:
            name, unit = column.split("_")
            found[f"{name}_mean_{unit}"] = float(log[column].mean())
    return found
