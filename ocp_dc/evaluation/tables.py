"""Terminal tables of errors: of one model, and of several runs side by side."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ase.units import GPa
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import energy_in_ev
from ocp_dc.evaluation.metrics import ENERGY_THRESHOLD, FORCE_THRESHOLD

Metrics = Mapping[str, Any]


def print_errors(metrics: Metrics, title: str, console: Console | None = None) -> None:
    """Print the error table of one model, in eV, kcal/mol and meV per atom.

    Args:
        metrics: the result of :func:`ocp_dc.evaluation.metrics.error_metrics` or ``read_evaluation``.
        title: the line above the table.
        console: where to print; the terminal by default.
    """
    (console or Console()).print(errors_table(metrics, title))


def errors_table(metrics: Metrics, title: str) -> Table:
    """Return the error table of one model, as :func:`print_errors` prints it."""
    kcal, mev = energy_in_ev("kcal/mol"), energy_in_ev("meV")
    table = Table(
        title=f"{escape(title)} ({metrics['n_structures']} structures)", box=box.SIMPLE_HEAVY, show_header=False
    )
    for _ in ("what", "metric"):
        table.add_column()
    for _ in ("eV", "kcal/mol", "meV"):
        table.add_column(justify="right", overflow="fold")

    energy, forces = ("energy_mae", "energy_rmse"), ("forces_mae", "forces_rmse")
    per_atom = (_number(metrics["energy_per_atom_mae"] / mev), "")
    table.add_row("", "", "eV", "kcal/mol", "meV/atom", style="bold")
    for key, label, third in zip(energy, ("energy, per structure", ""), per_atom, strict=True):
        table.add_row(label, _statistic(key), _number(metrics[key]), _number(metrics[key] / kcal), third)
    table.add_section()
    table.add_row("", "", "eV/Å", "kcal/mol/Å", "meV/Å", style="bold")
    for key, label in zip(forces, ("forces, per component", ""), strict=True):
        table.add_row(label, _statistic(key), *(_number(metrics[key] / unit) for unit in (1.0, kcal, mev)))
    table.add_row("forces, per atom", "cosine", _number(metrics["forces_cosine"]))
    if "stress_mae" in metrics:
        table.add_section()
        table.add_row("", "", "eV/Å³", "kcal/mol/Å³", "GPa", style="bold")
        for key, label in (("stress_mae", "stress, per component"), ("stress_rmse", "")):
            table.add_row(label, _statistic(key), *(_number(metrics[key] / unit) for unit in (1.0, kcal, GPa)))
    table.add_section()
    table.add_row("structures within", "EFwT", f"{100 * metrics['efwt']:.4g} %")
    atoms = f"{metrics['n_free_atoms']} free of {metrics['n_atoms']} atoms" if "n_atoms" in metrics else "free atoms"
    table.caption = f"EFwT: |dE| <= {ENERGY_THRESHOLD} eV and max |dF| <= {FORCE_THRESHOLD} eV/Å. Forces: {atoms}."
    return table


def ranges_table(ranges: Mapping[str, Mapping[str, float]], title: str) -> Table:
    """Return the table of the ranges of predictions without labels.

    Args:
        ranges: the result of :func:`ocp_dc.evaluation.prediction_rows.ranges`.
        title: the line above the table.
    """
    table = Table(title=escape(title), box=box.SIMPLE_HEAVY)
    for name, justify in (("prediction", "left"), ("lowest", "right"), ("highest", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for name, ends in ranges.items():
        table.add_row(escape(name), *(f"{ends[end]:.6g}" for end in ("lowest", "highest")))
    table.caption = "The structures have no labels, so there are no errors."
    return table


def calibration_table(numbers: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the table of the calibration of an ensemble.

    Args:
        numbers: the result of :func:`ocp_dc.evaluation.calibration.calibration`.
    """
    table = Table(title="calibration: error against spread", box=box.SIMPLE_HEAVY)
    table.add_column("what")
    for name in ("rank correlation", "RMSE", "RMS spread", "RMSE / spread"):
        table.add_column(name, justify="right", overflow="fold")
    for name, unit, counted in (("energy", "eV", "structure"), ("forces", "eV/Å", "free atom")):
        if found := numbers.get(name):
            cells = (_number(found[key]) for key in ("spearman", "rmse", "rms_spread", "rmse_over_spread"))
            table.add_row(f"{name}, {unit}, per {counted}", *cells)
    table.caption = "RMSE / spread above 1: the members agree more than they are right. Forces: lengths of vectors."
    return table


def comparison_table(runs: Mapping[str, Sequence[Metrics]], title: str, unit: str = "eV") -> Table:
    """Return a table that compares the errors of named runs: mean ± standard deviation over seeds.

    Args:
        runs: the metrics of each seed of each run.
        title: the line above the table.
        unit: the unit of energy, one of those of :func:`ocp_dc.core.units.energy_in_ev`.

    Raises:
        UserError: there are no runs, a run has no seeds, or the unit is unknown.
    """
    factor = energy_in_ev(unit)
    # key of the metric, its heading, and the size of the displayed unit in the unit of the metrics
    columns = (
        ("energy_mae", f"energy MAE\n{unit}", factor),
        ("forces_mae", f"forces MAE\n{unit}/Å", factor),
        ("efwt", "EFwT\n%", 0.01),
    )
    table = Table(title=escape(title), box=box.SIMPLE_HEAVY)
    table.add_column("run", overflow="fold")
    table.add_column("seeds", justify="right", overflow="fold")
    for _, heading, _ in columns:
        table.add_column(heading, justify="right", overflow="fold")
    for name, seeds in _check_runs(runs).items():
        cells = [mean_and_spread([seed[key] / size for seed in seeds]) for key, _, size in columns]
        table.add_row(escape(name), str(len(seeds)), *cells)
    table.caption = "energy per structure, forces per component; mean ± standard deviation over seeds"
    return table


def comparison_rows(runs: Mapping[str, Sequence[Metrics]]) -> list[dict[str, object]]:
    """Return the same comparison as rows of a CSV file, in the units of the metrics (eV, eV/Å).

    ``<metric>_std`` is the sample standard deviation over seeds; it is empty for a single seed.

    Raises:
        UserError: there are no runs, or a run has no seeds.
    """
    rows: list[dict[str, object]] = []
    for name, seeds in _check_runs(runs).items():
        row: dict[str, object] = {"run": name, "seeds": len(seeds)}
        for key, unit in seeds[0]["units"].items():
            if key == "n_structures":
                continue
            values = [seed[key] for seed in seeds]
            row[f"{key} [{unit}]"] = math.fsum(values) / len(values)
            row[f"{key}_std [{unit}]"] = _standard_deviation(values) if len(values) > 1 else ""
        rows.append(row)
    return rows


def mean_and_spread(values: Sequence[float]) -> str:
    """Return ``mean ± standard deviation`` with two digits of the deviation; a single value with four digits.

    >>> mean_and_spread([0.10, 0.12, 0.14])
    '0.120 ± 0.020'
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1 or not math.isfinite(mean):
        return _number(mean)
    spread = _standard_deviation(values)
    if spread == 0:
        return f"{_number(mean)} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(spread)))
    return f"{mean:.{decimals}f} ± {spread:.{decimals}f}"


def _standard_deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if all(map(math.isfinite, values)) else float("nan")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _statistic(key: str) -> str:
    return key.rpartition("_")[2].upper()


def _check_runs(runs: Mapping[str, Sequence[Metrics]]) -> Mapping[str, Sequence[Metrics]]:
    if not runs:
        raise UserError("got no runs to compare, expected at least one")
    for name, seeds in runs.items():
        if not seeds:
            raise UserError(f"run {name!r}: got no seeds, expected the metrics of at least one")
    return runs
