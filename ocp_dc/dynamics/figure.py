"""The picture of a simulation: energies, temperature, and drift or volume."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from ocp_dc.dynamics.options import MDOptions
from ocp_dc.dynamics.summary import energy_drift
from ocp_dc.plotting.axes import add_grid
from ocp_dc.plotting.figures import new_figure, save_figure
from ocp_dc.plotting.style import COLORS

WIDTH = 0.9  # of lines, in points


def write_figure(path: Path, log: Mapping[str, np.ndarray], natoms: int, options: MDOptions) -> None:
    """Write a PNG of energies and temperature, and of the drift of the total energy (nve) or the volume (npt).

    Args:
        path: the file.
        log: the columns of the log.
        natoms: the number of atoms.
        options: the options of the run.
    """
    third = {"nve": _drift, "npt": _volume}.get(options.ensemble)
    panels = 2 if third is None else 3
    figure = new_figure((4.6 * panels, 3.6), f"{options.ensemble.upper()}, {natoms} atoms")
    axes = figure.subplots(1, panels)
    times = log["time_ps"]
    _energies(axes[0], times, log, natoms)
    axes[1].plot(times, log["temperature_K"], color=COLORS[0], linewidth=WIDTH)
    if options.ensemble != "nve":
        axes[1].axhline(options.temperature_k, color="0.35", linewidth=0.8, linestyle="--")
    axes[1].set(ylabel="temperature (K)")
    if third is not None:
        third(axes[2], times, log, natoms)
    for panel in axes:
        panel.set(xlabel="time (ps)")
        add_grid(panel)
    save_figure(figure, path)


def _energies(ax: Axes, times: np.ndarray, log: Mapping[str, np.ndarray], natoms: int) -> None:
    """Draw potential and total energy per atom, relative to the first potential energy."""
    for color, name in zip(COLORS, ("potential", "total"), strict=False):
        values = 1e3 * (log[f"{name}_eV"] - log["potential_eV"][0]) / natoms
        ax.plot(times, values, color=color, linewidth=WIDTH, label=name)
    ax.set(ylabel="energy (meV/atom)")
    ax.legend(frameon=False, fontsize="small")


def _drift(ax: Axes, times: np.ndarray, log: Mapping[str, np.ndarray], natoms: int) -> None:
    """Draw the total energy per atom, and a straight line through it."""
    values = 1e3 * (log["total_eV"] - log["total_eV"][0]) / natoms
    ax.plot(times, values, color=COLORS[1], linewidth=WIDTH)
    slope, _ = energy_drift(times, values)
    if np.isfinite(slope):
        line = values.mean() + slope * (times - times.mean())
        ax.plot(times, line, color="0.2", linewidth=1.2, linestyle="--", label=f"{slope:+.3g} meV/atom/ps")
        ax.legend(frameon=False, fontsize="small")
    ax.set(ylabel="change of the total energy (meV/atom)")


def _volume(ax: Axes, times: np.ndarray, log: Mapping[str, np.ndarray], natoms: int) -> None:
    """Draw the volume per atom."""
    ax.plot(times, log["volume_A3"] / natoms, color=COLORS[2], linewidth=WIDTH)
    ax.set(ylabel="volume (Å³/atom)")
