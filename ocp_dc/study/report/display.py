"""Units in which numbers are easy to read, and means over seeds as texts."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from ocp_dc.core.units import energy_in_ev
from ocp_dc.evaluation.tables import mean_and_spread
from ocp_dc.study.record import Quantity, RunRecord
from ocp_dc.study.report.statistics import value_of


@dataclasses.dataclass(frozen=True)
class DisplayUnit:
    """A unit to show a quantity in.

    Args:
        unit: its name, empty for a pure number.
        size: the unit in terms of the unit of the stored numbers.
    """

    unit: str
    size: float = 1.0

    def text(self, values: Sequence[float]) -> str:
        """Return ``mean ± standard deviation`` of stored numbers in this unit; with a power of ten if they need one."""
        values = [value / self.size for value in values]
        largest = max(map(abs, values))
        if not math.isfinite(largest) or largest == 0 or 1e-3 <= largest < 1e6:
            return mean_and_spread(values)
        power = math.floor(math.log10(largest))
        text = mean_and_spread([value / 10.0**power for value in values])
        return f"({text})e{power:+03d}" if "±" in text else f"{text}e{power:+03d}"


def display_unit(quantity: Quantity, records: Iterable[RunRecord]) -> DisplayUnit:
    """Return the unit of a quantity for the whole report: meV if most energies are below one eV."""
    stem, slash, rest = quantity.unit.partition("/")
    if quantity.unit == "fraction":
        return DisplayUnit("%", 0.01)
    if stem != "eV":
        return DisplayUnit(quantity.unit)
    values = [abs(value) for record in records if (value := value_of(record, quantity)) is not None]
    small = bool(values) and statistics.median(values) < 1
    return DisplayUnit(f"meV{slash}{rest}", energy_in_ev("meV")) if small else DisplayUnit(quantity.unit)


def in_kcal(quantity: Quantity) -> DisplayUnit | None:
    """Return kcal/mol, or kcal/mol/Å, for an energy or a force in eV; None for anything else."""
    if quantity.unit not in ("eV", "eV/Å"):
        return None
    return DisplayUnit(quantity.unit.replace("eV", "kcal/mol"), energy_in_ev("kcal/mol"))
