"""Warnings about valid data that are probably wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase.data import chemical_symbols

from ocp_dc.data.summary import PAIRS, Summary, formula

# The Thomas-Fermi energy of an atom, -0.7687 Z^(7/3) hartree, is below that of any all-electron calculation:
# Hartree-Fock gives 65 % of it for hydrogen and 95 % for uranium, with relativity. The factor 1.2 is a margin.
ALL_ELECTRON = 1.2 * 0.7687 * 27.2114  # eV
LARGEST_RMS = 20.0  # eV/Å; molecules at 500 K have about 1
LARGEST_FORCE = 300.0  # eV/Å
LARGEST_STRESS = 3.0  # eV/Å³, root mean square: 480 GPa, beyond the pressure in the center of the earth
LARGEST_SPREAD = 10.0  # eV per atom among structures of one composition; bonds have about 5
CLOSEST, FARTHEST = 0.5, 1.5  # relative to the sum of covalent radii
NOBLE = (2, 10, 18, 36, 54, 86, 118)
OPPOSITE, TOGETHER = -0.5, 0.9  # correlations of energy changes with the work of the forces
CERTAIN = 0.9  # of the correlation with the work of the stress, which more than the labels may disturb
SLOPES = (0.6, 1.6)  # mistaking bohr for Å, or Å for bohr, gives 0.53 or 1.89


def data_warnings(summary: Summary, where: Callable[[int], str]) -> list[str]:
    """Return warnings about suspicious data, one sentence each; empty where nothing is suspicious.

    Args:
        summary: the summary of all structures.
        where: returns the location of a structure for messages, from its index in the source.
    """
    found = [*_energy_warnings(summary, where), *_force_warnings(summary, where), *_distance_warnings(summary, where)]
    found += [*_duplicate_warnings(summary, where), *_slope_warnings(summary)]
    return [*found, *_stress_warnings(summary)]


def _energy_warnings(summary: Summary, where: Callable[[int], str]) -> list[str]:
    found = []
    for numbers, energies in summary.compositions.items():
        bound = ALL_ELECTRON * float((np.frombuffer(numbers, dtype="u1").astype(float) ** (7.0 / 3.0)).sum())
        ends = (energies.high, energies.high_at), (energies.low, energies.low_at)
        value, index = max(ends, key=lambda end: abs(end[0]))
        if abs(value) > bound:
            found.append(
                f"{where(index)}: {formula(numbers)} at {value:,.6g} eV, but the energy of all its electrons is at most"
                f" {bound:,.4g} eV. Are the energies in another unit, such as kcal/mol? (--units)"
            )
            break
        if energies.high - energies.low > LARGEST_SPREAD * len(numbers):
            found.append(
                f"energies of {formula(numbers)} lie {energies.high - energies.low:,.4g} eV apart, from"
                f" {where(energies.low_at)} to {where(energies.high_at)}: more than {LARGEST_SPREAD:g} eV per atom. Did"
                " a calculation fail there, or is the unit wrong?"
            )
            break
    ranges = [split.energy for split in summary.splits.values()]
    count = sum(energies.count for energies in ranges)
    if count > 2 and min(e.low for e in ranges) == max(e.high for e in ranges):
        found.append(f"all {count} energies are {ranges[0].low:g} eV. Are these the energies of the structures?")
    return found


def _force_warnings(summary: Summary, where: Callable[[int], str]) -> list[str]:
    found = []
    splits = summary.splits.values()
    rms = max(split.force_rms for split in splits)
    largest = max((split.largest_force for split in splits), key=lambda forces: forces.high)
    if rms > LARGEST_RMS:
        found.append(
            f"forces have a root mean square of {rms:,.4g} eV/Å; for molecules at 500 K it is 1. Is --units right?"
        )
    elif largest.high > LARGEST_FORCE:
        found.append(f"{where(largest.high_at)}: a force of {largest.high:,.4g} eV/Å. Did the calculation fail there?")
    if largest.high == 0.0 and summary.bond.count:
        found.append("all forces are zero. Are these the forces of the structures?")
    if lone := summary.lone_atoms_with_force:
        found.append(
            f"{len(lone)} structure(s) are a lone atom with a force on it, which must be zero: {where(lone[0])}"
        )
    if len(summary.net_forces) > 0.5 * summary.free_molecules:
        found.append(
            f"the forces of {len(summary.net_forces)} of {summary.free_molecules} free molecules do not add up to zero"
            f" (first: {where(summary.net_forces[0])}), as they must. Are these forces, and those of all atoms?"
        )
    return found


def _distance_warnings(summary: Summary, where: Callable[[int], str]) -> list[str]:
    bond = summary.bond
    pair = "-".join(chemical_symbols[number] for number in summary.bond_elements)
    if not bond.count:
        return []
    if bond.low < CLOSEST:
        return [
            f"{where(bond.low_at)}: two atoms ({pair}) at {bond.low:.2f} times the length of a bond. Is --length-units"
            " right, or has a simulation exploded?"
        ]
    if bond.low > FARTHEST and not set(summary.bond_elements) & set(NOBLE):
        return [
            f"no two atoms of any structure are as close as in a bond; the closest ({pair}, {where(bond.low_at)}) are"
            f" {bond.low:.2f} times as far apart. Are the lengths in bohr? (--length-units)"
        ]
    return []


def _duplicate_warnings(summary: Summary, where: Callable[[int], str]) -> list[str]:
    found = []
    for name in summary.splits:
        if repeated := summary.duplicates.repeated(name):
            found.append(
                f"{len(repeated)} structure(s) of {name} are repeated, atom for atom (first: {where(repeated[0])})"
            )
    for one, other in PAIRS:
        if shared := summary.duplicates.shared(other, one):
            found.append(
                f"{len(shared)} structure(s) of {other} are also in {one}, atom for atom (first: {where(shared[0])})"
                f": errors on {other} will look smaller than they are"
            )
    return found


def _slope_warnings(summary: Summary) -> list[str]:
    slope = summary.energy_against_forces
    if slope is None:
        return []
    compared = f"between {slope.pairs} pairs of similar geometries, energies change"
    if slope.correlation < OPPOSITE:
        return [
            f"{compared} against the forces (correlation {slope.correlation:.2f}): the forces look like gradients"
            " of the energy. Change their sign"
        ]
    if slope.correlation > TOGETHER and not SLOPES[0] < slope.slope < SLOPES[1]:
        return [
            f"{compared} by {slope.slope:.3g} times what the forces do: energies, forces and lengths are not in"
            " consistent units"
        ]
    return []


def _stress_warnings(summary: Summary) -> list[str]:
    stress, slope = summary.stress, summary.energy_against_stress
    units = "--stress-units, --stress-key or --virial-key"
    if stress.count > 1 and stress.rms == 0:
        return [f"all {stress.count} stresses are zero. Are these the stresses of the structures?"]
    if stress.rms > LARGEST_STRESS:
        return [f"stresses have a root mean square of {stress.rms:.3g} eV/Å³. Are they in another unit? ({units})"]
    if slope is None:
        return []
    compared = f"between {slope.pairs} pairs of similar crystals with other cells, energies change"
    if slope.correlation < -CERTAIN:
        return [
            f"{compared} against the stress (correlation {slope.correlation:.2f}): it must be positive under tension."
            " Change its sign"
        ]
    if slope.correlation > CERTAIN and not SLOPES[0] < slope.slope < SLOPES[1]:
        return [
            f"{compared} by {slope.slope:.3g} times what the stress does: energies and stresses are not in consistent"
            f" units ({units})"
        ]
    return []
