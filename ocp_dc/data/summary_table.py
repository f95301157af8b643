"""The table of the splits that `ocp-dc prepare` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMULAS_SHOWN = 3


def summary_table(description: Mapping[str, Any]) -> str:
    """Return a table of the splits in a dataset.json, with a line of formulas above it.

    Args:
        description: the content of dataset.json.
    """
    splits = list(description["statistics"])
    statistics, energies = description["statistics"], description["energy_eV"]
    repeated = description["duplicates"]
    rows = {
        "structures": [str(description["counts"][name]) for name in splits],
        "atoms": [_span(statistics[name]["atoms"], "d") for name in splits],
        "energy, eV": [_span(energies[name], ".2f") for name in splits],
        "energy per atom, eV": [_span(statistics[name]["energy_per_atom_eV"], ".3f") for name in splits],
        "force RMS, eV/Å": [f"{statistics[name]['force_rms_eV_per_A']:.3g}" for name in splits],
        "largest force, eV/Å": [f"{statistics[name]['force_max_eV_per_A']:.3g}" for name in splits],
        "shortest distance, Å": [_distance(statistics[name]) for name in splits],
        "repeated": [str(repeated[name]) for name in splits],
        "also in train": ["" if name == "train" else str(repeated[f"train and {name}"]) for name in splits],
    }
    table = [["", *splits], *([name, *cells] for name, cells in rows.items())]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in table
    ]
    return "\n".join([_formulas(description), *lines])


def _formulas(description: Mapping[str, Any]) -> str:
    count = description["formula_count"]
    shown = [f"{name} ({n})" for name, n in list(description["formulas"].items())[:FORMULAS_SHOWN]]
    return f"{count} formula{'s' if count > 1 else ''}: {', '.join(shown)}{', ...' if count > FORMULAS_SHOWN else ''}"


def _span(values: Mapping[str, float], form: str) -> str:
    low, high = f"{values['min']:{form}}", f"{values['max']:{form}}"
    return low if low == high else f"{low} to {high}"


def _distance(statistics: Mapping[str, Any]) -> str:
    distance = statistics["shortest_distance_A"]
    return "" if distance is None else f"{distance:.3f} ({statistics['shortest_distance_elements']})"
