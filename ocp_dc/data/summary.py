"""What dataset.json tells of the structures themselves."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from ase.data import chemical_symbols
from ase.symbols import Symbols

from ocp_dc.data.frames import Frame


@dataclass
class _Energies:
    """Running count, mean, least and largest; the mean by Welford's update, exact enough at -4e5 kcal/mol."""

    count: int = 0
    mean: float = 0.0
    low: float = math.inf
    high: float = -math.inf

    def add(self, energy: float) -> None:
        self.count += 1
        self.mean += (energy - self.mean) / self.count
        self.low = min(self.low, energy)
        self.high = max(self.high, energy)


@dataclass
class Summary:
    """Collects elements, formulas and energies of structures as they pass by."""

    _boundaries: Counter[str] = field(default_factory=Counter)
    _compositions: set[bytes] = field(default_factory=set)
    _energies: dict[str, _Energies] = field(default_factory=dict)

    def add(self, split: str, frame: Frame) -> None:
        """Take in one structure of the split of that name."""
        # The atomic numbers in order stand for the composition: structures of one set mostly share them.
        self._boundaries[" ".join("FT"[int(flag)] for flag in frame.pbc)] += 1
        self._compositions.add(frame.numbers.astype("u1").tobytes())
        self._energies.setdefault(split, _Energies()).add(frame.energy)

    def describe(self) -> dict[str, object]:
        """Return elements, the formula where all structures share one, boundaries, and the energies of each split.

        Boundaries are the number of structures by ``pbc``; energies are in eV.
        """
        numbers = sorted(set().union(*self._compositions))
        formulas = {Symbols(list(c)).get_chemical_formula() for c in self._compositions}
        return {
            "elements": [chemical_symbols[number] for number in numbers],
            "formula": formulas.pop() if len(formulas) == 1 else None,
            "boundaries": dict(sorted(self._boundaries.items())),
            "energy_eV": {name: {"mean": e.mean, "min": e.low, "max": e.high} for name, e in self._energies.items()},
        }
