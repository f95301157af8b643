"""Statistics of a set of structures, for dataset.json and for the table and the warnings of `ocp-dc prepare`."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.symbols import Symbols

from ocp_dc.data.duplicates import Duplicates
from ocp_dc.data.force_slope import ForceSlope, Slope
from ocp_dc.data.frames import Frame
from ocp_dc.data.stress_slope import StressSlope

FORMULAS_LISTED = 20
NET_FORCE = 0.1  # relative to the sum of the magnitudes; 0 for a free molecule, up to 0.01 with numerical noise
PAIRS = ("train", "val"), ("train", "test"), ("val", "test")


@dataclass
class Range:
    """Running count, mean, minimum and maximum; Welford's update keeps the mean accurate at -4e5 kcal/mol."""

    count: int = 0
    mean: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    low_at: int = -1
    high_at: int = -1

    def add(self, value: float, index: int) -> None:
        """Add the value of the structure with this index."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        if value < self.low:
            self.low, self.low_at = value, index
        if value > self.high:
            self.high, self.high_at = value, index


@dataclass
class SplitSummary:
    """Statistics of one split: energies in eV, forces in eV/Å, distances in Å."""

    energy: Range = field(default_factory=Range)
    energy_per_atom: Range = field(default_factory=Range)
    atoms: Range = field(default_factory=Range)
    largest_force: Range = field(default_factory=Range)
    squared_forces: float = 0.0
    atom_count: int = 0
    shortest: float = math.inf
    shortest_elements: tuple[str, str] = ("", "")

    @property
    def force_rms(self) -> float:
        """The root mean square of the force components."""
        return math.sqrt(self.squared_forces / max(3 * self.atom_count, 1))

    def describe(self) -> dict[str, object]:
        """Return the statistics as plain JSON values."""
        return {
            "atoms": {"min": int(self.atoms.low), "max": int(self.atoms.high)},
            "energy_per_atom_eV": {"min": self.energy_per_atom.low, "max": self.energy_per_atom.high},
            "force_rms_eV_per_A": self.force_rms,
            "force_max_eV_per_A": self.largest_force.high,
            "shortest_distance_A": self.shortest if math.isfinite(self.shortest) else None,
            "shortest_distance_elements": "-".join(self.shortest_elements) if self.shortest_elements[0] else None,
        }


class Summary:
    """Collects statistics, one structure at a time; its memory grows by about 16 bytes per structure."""

    def __init__(self) -> None:
        self.splits: dict[str, SplitSummary] = {}
        self.compositions: dict[bytes, Range] = {}  # energies, by atomic numbers in the order of the atoms
        self.bond: Range = Range()  # distance of the closest pair, relative to the sum of its covalent radii
        self.bond_elements: tuple[int, int] = (0, 0)  # of the minimum
        self.lone_atoms_with_force: list[int] = []
        self.free_molecules = 0
        self.net_forces: list[int] = []
        self.boundaries: Counter[str] = Counter()  # structures by pbc
        self.duplicates = Duplicates()
        self.slope = ForceSlope()
        self.stress = StressSlope()

    def add(self, split: str, index: int, frame: Frame, closest: tuple[tuple[int, int], float]) -> None:
        """Add one structure.

        Args:
            split: the name of its split.
            index: its index in the source.
            frame: the structure.
            closest: its two closest atoms and their distance in Å; infinity for a single atom.
        """
        self.boundaries[" ".join("FT"[int(flag)] for flag in frame.pbc)] += 1
        split_summary = self.splits.setdefault(split, SplitSummary())
        split_summary.energy.add(frame.energy, index)
        split_summary.energy_per_atom.add(frame.energy / frame.natoms, index)
        split_summary.atoms.add(frame.natoms, index)
        split_summary.atom_count += frame.natoms
        squared = np.einsum("ij,ij->i", frame.forces, frame.forces)  # [N]
        split_summary.squared_forces += float(squared.sum())
        split_summary.largest_force.add(math.sqrt(squared.max()), index)
        # The ordered atomic numbers serve as the composition: most structures of a set have the same order.
        self.compositions.setdefault(frame.numbers.astype("u1").tobytes(), Range()).add(frame.energy, index)
        if frame.natoms > 1:
            self._add_distance(split_summary, index, frame, closest)
        elif squared.max() > 1e-12:
            self.lone_atoms_with_force.append(index)
        if frame.natoms > 1 and not frame.pbc.any() and not frame.fixed.any():
            self.free_molecules += 1
            if np.linalg.norm(frame.forces.sum(axis=0)) > max(NET_FORCE * np.sqrt(squared).sum(), 1e-3):
                self.net_forces.append(index)
        self.duplicates.add(split, index, frame)
        self.slope.add(frame)
        self.stress.add(frame)

    def _add_distance(
        self, split_summary: SplitSummary, index: int, frame: Frame, closest: tuple[tuple[int, int], float]
    ) -> None:
        (a, b), distance = closest
        numbers = int(frame.numbers[a]), int(frame.numbers[b])
        if distance < split_summary.shortest:
            split_summary.shortest = distance
            split_summary.shortest_elements = chemical_symbols[numbers[0]], chemical_symbols[numbers[1]]
        ratio = distance / float(covalent_radii[numbers[0]] + covalent_radii[numbers[1]])
        if ratio < self.bond.low:
            self.bond_elements = numbers
        self.bond.add(ratio, index)

    @cached_property
    def energy_against_forces(self) -> Slope | None:
        """The comparison of the forces with differences in energy; valid once all structures are added."""
        return self.slope.result()

    @cached_property
    def energy_against_stress(self) -> Slope | None:
        """The comparison of the stress with differences in energy; valid once all structures are added."""
        return self.stress.result()

    def formulas(self) -> Counter[str]:
        """Return the number of structures of each formula."""
        counts: Counter[str] = Counter()
        for numbers, energies in self.compositions.items():
            counts[formula(numbers)] += energies.count
        return counts

    def describe(self) -> dict[str, Any]:
        """Return the statistics as plain JSON values.

        These are the elements, the formula if all structures share one, the most common formulas with their counts, the
        number of structures by ``pbc``, statistics of each split, and the number of duplicates.
        """
        numbers = sorted(set().union(*self.compositions))
        formulas = self.formulas()
        slope, stress_slope = self.energy_against_forces, self.energy_against_stress
        return {
            "elements": [chemical_symbols[number] for number in numbers],
            "formula": next(iter(formulas)) if len(formulas) == 1 else None,
            "formulas": dict(formulas.most_common(FORMULAS_LISTED)),
            "formula_count": len(formulas),
            "boundaries": dict(sorted(self.boundaries.items())),
            "energy_eV": {
                name: {"mean": s.energy.mean, "min": s.energy.low, "max": s.energy.high}
                for name, s in self.splits.items()
            },
            "statistics": {name: split.describe() for name, split in self.splits.items()},
            "duplicates": {
                **{name: len(self.duplicates.repeated(name)) for name in self.splits},
                **{f"{a} and {b}": len(self.duplicates.shared(b, a)) for a, b in PAIRS if b in self.splits},
            },
            "energy_against_forces": None if slope is None else slope._asdict(),
            "energy_against_stress": None if stress_slope is None else stress_slope._asdict(),
        }


def formula(numbers: bytes) -> str:
    """Return the formula of atomic numbers, such as C2H6O."""
    return Symbols(list(numbers)).get_chemical_formula()
