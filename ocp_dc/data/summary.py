"""Numbers that tell what a set of structures is: for dataset.json, the table of `ocp-dc prepare`, and its warnings."""

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

FORMULAS_LISTED = 20
NET_FORCE = 0.1  # of the sum of the forces' magnitudes: of a free molecule it is 0, by numerical noise up to 0.01
PAIRS = ("train", "val"), ("train", "test"), ("val", "test")


@dataclass
class Range:
    """Running count, mean, least and largest; the mean by Welford's update, exact enough at -4e5 kcal/mol."""

    count: int = 0
    mean: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    low_at: int = -1
    high_at: int = -1

    def add(self, value: float, index: int) -> None:
        """Take in a value of the structure of that number."""
        self.count += 1
        self.mean += (value - self.mean) / self.count
        if value < self.low:
            self.low, self.low_at = value, index
        if value > self.high:
            self.high, self.high_at = value, index


@dataclass
class SplitSummary:
    """What one split holds: energies in eV, forces in eV/Å, distances in Å."""

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
        """Return the numbers as plain JSON values."""
        return {
            "atoms": {"min": int(self.atoms.low), "max": int(self.atoms.high)},
            "energy_per_atom_eV": {"min": self.energy_per_atom.low, "max": self.energy_per_atom.high},
            "force_rms_eV_per_A": self.force_rms,
            "force_max_eV_per_A": self.largest_force.high,
            "shortest_distance_A": self.shortest if math.isfinite(self.shortest) else None,
            "shortest_distance_elements": "-".join(self.shortest_elements) if self.shortest_elements[0] else None,
        }


class Summary:
    """Collects numbers of structures as they pass by; what it holds grows by some 16 bytes a structure."""

    def __init__(self) -> None:
        self.splits: dict[str, SplitSummary] = {}
        self.compositions: dict[bytes, Range] = {}  # energies by atomic numbers in the order of the atoms
        self.bond: Range = Range()  # the closest pair's distance over the sum of its covalent radii
        self.bond_elements: tuple[int, int] = (0, 0)  # of the least
        self.lone_atoms_with_force: list[int] = []
        self.free_molecules = 0
        self.net_forces: list[int] = []
        self.boundaries: Counter[str] = Counter()  # structures by pbc
        self.duplicates = Duplicates()
        self.slope = ForceSlope()

    def add(self, split: str, index: int, frame: Frame, closest: tuple[tuple[int, int], float]) -> None:
        """Take in one structure.

        Args:
            split: the name of its split.
            index: its number in the source.
            frame: the structure.
            closest: its two closest atoms and their distance in Å, infinity of one atom.
        """
        self.boundaries[" ".join("FT"[int(flag)] for flag in frame.pbc)] += 1
        of_split = self.splits.setdefault(split, SplitSummary())
        of_split.energy.add(frame.energy, index)
        of_split.energy_per_atom.add(frame.energy / frame.natoms, index)
        of_split.atoms.add(frame.natoms, index)
        of_split.atom_count += frame.natoms
        squared = np.einsum("ij,ij->i", frame.forces, frame.forces)  # (n,)
        of_split.squared_forces += float(squared.sum())
        of_split.largest_force.add(math.sqrt(squared.max()), index)
        # The atomic numbers in order stand for the composition: structures of one set mostly share them.
        self.compositions.setdefault(frame.numbers.astype("u1").tobytes(), Range()).add(frame.energy, index)
        if frame.natoms > 1:
            self._add_distance(of_split, index, frame, closest)
        elif squared.max() > 1e-12:
            self.lone_atoms_with_force.append(index)
        if frame.natoms > 1 and not frame.pbc.any() and not frame.fixed.any():
            self.free_molecules += 1
            if np.linalg.norm(frame.forces.sum(axis=0)) > max(NET_FORCE * np.sqrt(squared).sum(), 1e-3):
                self.net_forces.append(index)
        self.duplicates.add(split, index, frame)
        self.slope.add(frame)

    def _add_distance(
        self, of_split: SplitSummary, index: int, frame: Frame, closest: tuple[tuple[int, int], float]
    ) -> None:
        (a, b), distance = closest
        numbers = int(frame.numbers[a]), int(frame.numbers[b])
        if distance < of_split.shortest:
            of_split.shortest = distance
            of_split.shortest_elements = chemical_symbols[numbers[0]], chemical_symbols[numbers[1]]
        ratio = distance / float(covalent_radii[numbers[0]] + covalent_radii[numbers[1]])
        if ratio < self.bond.low:
            self.bond_elements = numbers
        self.bond.add(ratio, index)

    @cached_property
    def energy_against_forces(self) -> Slope | None:
        """Whether the forces are the slope of the energies, once all structures have passed by."""
        return self.slope.result()

    def formulas(self) -> Counter[str]:
        """Return how many structures there are of each formula."""
        counts: Counter[str] = Counter()
        for numbers, energies in self.compositions.items():
            counts[formula(numbers)] += energies.count
        return counts

    def describe(self) -> dict[str, Any]:
        """Return the numbers as plain JSON values.

        Elements, the formula where all structures share one, the commonest formulas with their counts, structures by
        ``pbc``, energies and further numbers of each split, and how many structures are there twice.
        """
        numbers = sorted(set().union(*self.compositions))
        formulas = self.formulas()
        slope = self.energy_against_forces
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
                **{name: len(self.duplicates.within(name)) for name in self.splits},
                **{f"{a} and {b}": len(self.duplicates.also_in(b, a)) for a, b in PAIRS if b in self.splits},
            },
            "energy_against_forces": None if slope is None else slope._asdict(),
        }


def formula(numbers: bytes) -> str:
    """Return the formula of atomic numbers, such as C2H6O."""
    return Symbols(list(numbers)).get_chemical_formula()
