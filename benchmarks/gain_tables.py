"""Print the table of docs/gain.md from the effects of a factorial study.

Run: ``python benchmarks/gain_tables.py docs/studies/factorial_schnet/effects.csv``, the file of `ocp-dc study report`.
Each row is the effect of a level on an error; the columns are all arms, and those within the levels named in CASES.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocp_dc.study.record import Quantity
from ocp_dc.study.report.changes import bracketed
from ocp_dc.study.report.display import DisplayUnit
from ocp_dc.study.report.statistics import Comparison
from ocp_dc.study.report.tables import BEYOND, NOTHING

CENTERED = "center: centered"
CASES = ("", "center: raw", CENTERED, f"{CENTERED}; scale: kcal/mol", f"{CENTERED}; scale: RMS force")
LABELS = {"energy_mae": "energy", "forces_mae": "forces"}


def main() -> None:
    """Print a table for each model and data set."""
    rows = list(csv.DictReader(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
    for model, data in dict.fromkeys((row["model"], row["data"]) for row in rows):
        print(f"{model} on {data}:\n")
        print_table([row for row in rows if (row["model"], row["data"]) == (model, data)])
        print()


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print the effects on one model and data set."""
    found = {(row["effect"], row["within"], row["quantity"]): row for row in rows if row["order"] == "1"}
    print(f"| effect of | on | {' | '.join(case or 'all arms' for case in CASES)} |")
    print("|---" * (len(CASES) + 2) + "|")
    for effect in dict.fromkeys(name for name, _, _ in found):
        for key, label in LABELS.items():
            texts = [change(found.get((effect, case, key))) for case in CASES]
            print(f"| {effect} | {label} | {' | '.join(texts)} |")


def change(row: Mapping[str, str] | None) -> str:
    """Return the change with its interval, and a star if it is beyond the spread over seeds."""
    if row is None or not row["change"]:
        return NOTHING
    numbers = {name: float(row[name]) if row[name] else None for name in ("change", "low", "high", "p", "p_adjusted")}
    comparison = Comparison(Quantity(row["quantity"], ""), (), row["kind"] == "ratio", **numbers)

    return bracketed(comparison, DisplayUnit("")) + rf" \{BEYOND}" * comparison.beyond


if __name__ == "__main__":
    main()
