"""The results of a simulation, in numbers."""

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


def summarize(
    log: Mapping[str, np.ndarray], natoms: int, timestep: float, steps: int, seconds: float
) -> dict[str, Any]:
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


def summary_text(summary: Mapping[str, Any]) -> str:
    """Return the lines for the terminal from what :func:`ocp_dc.dynamics.md.run_md` returned."""
    mean, half, spread = (summary[f"temperature_{name}_K"] for name in ("mean", "second_half_mean", "std"))
    lines = [
        f"{summary['ensemble']}, {summary['natoms']} atoms, {summary['steps']} steps, {summary['time_ps']:.6g} ps; "
        f"velocities {summary['velocities']}",
        f"temperature {mean:.1f} K (second half {half:.1f} K), standard deviation {spread:.1f} K",
    ]
    if summary["ensemble"] == "nve":
        lines.append(
            f"total energy: drift {summary['total_energy_drift_meV_per_atom_ps']:+.3g} meV/atom/ps, "
            f"fluctuation {summary['total_energy_rms_meV_per_atom']:.3g} meV/atom"
        )
    if "pressure_mean_GPa" in summary:
        lines.append(f"pressure {summary['pressure_mean_GPa']:.3g} GPa, volume {summary['volume_mean_A3']:.6g} Å³")
    lines.append(f"{1e3 * summary['seconds_per_step']:.3g} ms per step, {summary['ns_per_day']:.3g} ns/day")
    return "\n".join(lines)
