"""The quantities of the examined potentials, and tables of them as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from ocp_dc.study.record import Quantity, StudyResults
from ocp_dc.study.report import changes
from ocp_dc.study.report.display import DisplayUnit, display_unit
from ocp_dc.study.report.groups import ArmResults, Group, gather
from ocp_dc.study.report.markdown import escaped
from ocp_dc.study.report.verdict import build_verdict

SCANS = {"O-H": "Å²", "C-C": "Å²", "C-O": "Å²", "C-C-O-H": "rad²"}  # coordinates and their squared units


def _errors(*names: tuple[str, str, str]) -> tuple[Quantity, ...]:
    return tuple(Quantity(key, label, unit, primary=True) for key, label, unit in names)


# the tables of the page: title, quantities, and whether sentences about the changes follow
TABLES: dict[str, tuple[tuple[Quantity, ...], bool]] = {
    "Frequencies at the potential's own minimum": (
        _errors(
            ("energy_mae", "energy MAE", "eV"),
            ("forces_mae", "force MAE", "eV/Å"),
            ("relaxed_mae", "frequency MAE", "cm^-1"),
            ("relaxed_max", "largest error", "cm^-1"),
            ("relaxed_low_mae", "MAE of 15 modes below 1,500", "cm^-1"),
            ("relaxed_stretch_mae", "MAE of 6 C-H and O-H stretches", "cm^-1"),
        ),
        True,
    ),
    "Hessian and frequencies at the minimum of GFN2-xTB": (
        _errors(
            ("hessian", "Hessian", "fraction"),
            ("hessian_low", "Hessian, 15 modes", "fraction"),
            ("hessian_stretch", "Hessian, 6 stretches", "fraction"),
            ("fixed_mae", "frequency MAE", "cm^-1"),
            ("fixed_max", "largest error", "cm^-1"),
        ),
        True,
    ),
    "Error of the second derivative along scans": (
        _errors(*((f"{scan}_curvature_rmse", f"{scan} RMSE", f"eV/{unit}") for scan, unit in SCANS.items())),
        False,
    ),
    "Largest change between neighbors of 200 points, share of the range": (
        _errors(*((f"{scan}_jump", scan, "fraction") for scan in SCANS)),
        False,
    ),
    "Largest jump in steps of 1e-4 Å or rad": (
        _errors(*((f"{scan}_kink", scan, f"eV/{unit}") for scan, unit in SCANS.items())),
        False,
    ),
    "Largest change of a frequency at other displacements": (
        _errors(
            ("change_float64_1e-05", "float64, 1e-5 Å", "cm^-1"),
            ("change_float64_0.0001", "1e-4 Å", "cm^-1"),
            ("change_float64_0.01", "0.01 Å", "cm^-1"),
            ("change_float32_0.0001", "float32, 1e-4 Å", "cm^-1"),
            ("change_float32_0.001", "0.001 Å", "cm^-1"),
            ("change_float32_0.01", "0.01 Å", "cm^-1"),
        ),
        False,
    ),
    "NVE, 20 ps": (
        (
            *_errors(
                ("nve_drift", "drift, absolute", "meV/atom/ps"),
                ("nve_rms", "fluctuation", "meV/atom"),
            ),
            Quantity("nve_ps", "time intact", "ps", lower_is_better=None, primary=True),
        ),
        True,
    ),
}


def all_quantities() -> tuple[Quantity, ...]:
    """Return the quantities of all tables."""
    return tuple(quantity for quantities, _ in TABLES.values() for quantity in quantities)


def table_group(results: StudyResults, quantities: tuple[Quantity, ...]) -> tuple[StudyResults, Group]:
    """Return a study with these quantities alone, and its arms compared with the baseline in them."""
    chosen = dataclasses.replace(results, quantities=quantities)
    return chosen, gather(chosen)[0]


def markdown_tables(results: StudyResults, notes: dict[str, str]) -> Iterator[str]:
    """Yield the lines of all tables.

    Args:
        results: the study, with the metrics of the examination.
        notes: a sentence below a table, by title.
    """
    for title, (quantities, sentences) in TABLES.items():
        chosen, group = table_group(results, quantities)
        known = [quantity for quantity in quantities if any(arm.values(quantity) for arm in group.arms.values())]
        if not known:
            continue
        chosen, group = table_group(results, tuple(known))
        shown = [(quantity, display_unit(quantity, chosen.records)) for quantity in known]
        yield from (f"### {title}", "")
        headings = (f"{q.label}, {unit.unit}" if unit.unit else q.label for q, unit in shown)
        yield f"| arm | {' | '.join(headings)} |"
        yield f"|---|{'---|' * len(known)}"
        for arm in group.arms.values():
            cells = (_cell(arm, group, *pair) for pair in shown)
            yield f"| {arm.name} | {' | '.join(cells)} |"
        yield ""
        if title in notes:
            yield from (notes[title], "")
        if sentences:
            verdict = build_verdict(chosen, group)
            yield from (f"* **{name}**: {escaped(text)}" for name, text in verdict.arms.items())
            yield ""


def _cell(arm: ArmResults, group: Group, quantity: Quantity, shown: DisplayUnit) -> str:
    """Return mean ± standard deviation over the seeds, and the change against the baseline."""
    values = arm.values(quantity)
    if not values:
        return "–"
    text = shown.text(values) + (f" ({len(values)} of {len(arm.runs)})" if len(values) < len(arm.runs) else "")
    if (ranking := group.ranking(quantity)) and ranking[0].name == arm.name:
        text = f"**{text}**"
    comparison = arm.against_baseline.get(quantity.key)
    if comparison is None or comparison.direction == 0:
        return text
    return f"{text} ({changes.signed(comparison, shown)}{' *' * comparison.beyond})"
