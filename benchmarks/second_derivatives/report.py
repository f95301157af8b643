"""Write tables and plots of a study of second derivatives, from what examine.py and nve_runs.py have computed.

    python benchmarks/second_derivatives/report.py STUDY OUT

They replace the last section of docs/second-derivatives.md (``--page``), and CSV files and plots go to
docs/studies/second_derivatives (``--docs``). Runs that are missing so far are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from bond_scans import bond_scans
from examine import largest_jump
from matplotlib.figure import Figure
from reference_data import Reference, load_reference
from tables import SCANS, TABLES, all_quantities, markdown_tables, table_group

from ocp_dc.core.files import replacing, write_csv
from ocp_dc.dynamics.md import SUMMARY
from ocp_dc.plotting.axes import add_grid
from ocp_dc.plotting.figures import legend_below, new_figure, panel_grid, save_figure
from ocp_dc.plotting.style import line_style
from ocp_dc.study.record import Quantity, RunRecord, StudyResults
from ocp_dc.study.report.csv_rows import run_rows, table_rows
from ocp_dc.study.report.plots import errors_figure
from ocp_dc.study.results import read_results

ROOT = Path(__file__).parents[2]
BEGIN = "\n## Tables and plots\n"  # the last section of the page, which is replaced
PLOTS = {
    "errors": "Errors of each seed",
    "scans": "Second derivatives along the scans, first seed",
    "kinks": "The same in steps of 1e-4 Å around the minimum, without a parabola",
}
PLOTTED = ("relaxed_mae", "hessian", "forces_mae")


def with_metrics(run: RunRecord, out: Path) -> RunRecord:
    """Return a run with the metrics that the examination and the dynamics have found."""
    metrics = dict(run.metrics)
    examined, summary = out / "examined" / f"{run.id}.json", out / "nve" / run.id / SUMMARY
    if examined.exists():
        metrics |= json.loads(examined.read_text())
    if summary.exists():
        found = json.loads(summary.read_text())
        metrics["nve_ps"] = found["time_ps"]
        if found["stopped"] is None:  # no drift of a molecule that breaks
            metrics["nve_drift"] = abs(found["total_energy_drift_meV_per_atom_ps"])
            metrics["nve_rms"] = found["total_energy_rms_meV_per_atom"]
    return dataclasses.replace(run, metrics=metrics)


def reference_notes(reference: Reference) -> dict[str, str]:
    """Return what the scans of GFN2-xTB itself show, below the tables of the potentials."""
    scans = bond_scans(reference.atoms)
    jumps = [largest_jump(scan.curvatures(reference.slopes[scan.name])) for scan in scans]
    kinks = [reference.kinks[scan.name] for scan in scans]
    titles = [title for title in TABLES if title.startswith("Largest change between") or "jump" in title]
    shares = ", ".join(f"{100 * jump:.2g} % ({scan.name})" for scan, jump in zip(scans, jumps, strict=True))
    sizes = ", ".join(
        f"{1e3 * size:.2g} meV/{SCANS[scan.name]} ({scan.name})" for scan, size in zip(scans, kinks, strict=True)
    )
    return dict(zip(titles, (f"GFN2-xTB itself: {shares}.", f"GFN2-xTB itself: {sizes}."), strict=True))


def scan_figure(results: StudyResults, out: Path, reference: Reference, fine: bool) -> Figure | None:
    """Draw second derivatives along the scans, for the first seed of each arm; None without any."""
    runs = {run.arm: run for run in results.records if run.seed == results.seeds[0] and "hessian" in run.metrics}
    scans = bond_scans(reference.atoms, fine)
    scans = scans[:3] if fine else scans  # the window of the torsion has no kinks to show
    if not runs:
        return None
    figure = new_figure((8, 3.2 if fine else 5.6), legend_entries=len(runs) + 1)
    panels = panel_grid(figure, len(scans), 3 if fine else 2)
    for panel, scan in zip(panels, scans, strict=True):
        middles = (scan.coordinates[1:] + scan.coordinates[:-1]) / 2  # [S - 1]
        for number, arm in enumerate(results.arms):
            if arm in runs:
                with np.load(out / "examined" / f"{runs[arm].id}.npz") as arrays:
                    curve = arrays[scan.name + "_fine" * fine]
                if fine:  # what is left is jumps
                    curve = curve - np.polynomial.Polynomial.fit(middles, curve, 2)(middles)
                panel.plot(middles, curve, label=arm, linewidth=1.0, **line_style(number))
        if not fine:
            panel.plot(middles, scan.curvatures(reference.slopes[scan.name]), "k", label="GFN2-xTB", linewidth=1.5)
        name = "d²E/ds² - its parabola" if fine else "d²E/ds²"
        panel.set(xlabel=f"{scan.name}, {scan.unit}", ylabel=f"{name}, eV/{scan.unit}²")
        add_grid(panel)
    legend_below(figure, panels[0].get_lines())
    return figure


def page_with(text: str, lines: Iterable[str]) -> str:
    """Return a page with another last section: the tables, and the plots."""
    before, mark, _ = text.partition(BEGIN)
    plots = "".join(f"\n![{caption}](studies/second_derivatives/plots/{name}.png)\n" for name, caption in PLOTS.items())
    return before + mark + "\n" + "\n".join(lines) + plots


def main() -> None:
    """Write everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--page", type=Path, default=ROOT / "docs/second-derivatives.md")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs/studies/second_derivatives")
    args = parser.parse_args()
    results, reference = read_results(args.study), load_reference()
    results = dataclasses.replace(results, records=tuple(with_metrics(run, args.out) for run in results.records))
    (args.docs / "plots").mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Quantity] = {quantity.key: quantity for quantity in all_quantities()}
    everything, group = table_group(results, tuple(chosen.values()))
    write_csv(args.docs / "runs.csv", run_rows(everything))
    write_csv(args.docs / "table.csv", table_rows(everything, [group]))
    for name, fine in (("scans", False), ("kinks", True)):
        if (figure := scan_figure(results, args.out, reference, fine)) is not None:
            save_figure(figure, args.docs / "plots" / f"{name}.png")
    plotted, group = table_group(results, tuple(chosen[key] for key in PLOTTED))
    save_figure(errors_figure(plotted, group), args.docs / "plots" / "errors.png")
    lines = list(markdown_tables(results, reference_notes(reference)))
    print("\n".join(lines))
    text = page_with(args.page.read_text(encoding="utf-8"), lines)
    with replacing(args.page) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
