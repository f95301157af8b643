"""Draw the learning curves of a study whose data sets are named after their numbers of training structures.

Run: ``python benchmarks/learning_curve.py studies/learning_curve learning_curve.png``, after
``ocp-dc study run studies/learning_curve``. Prints a table of both errors, with what `ocp-dc study report` found about
each arm against the baseline.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ocp_dc.evaluation.tables import mean_and_spread
from ocp_dc.plotting.axes import add_grid, log_scale
from ocp_dc.plotting.figures import legend_below, new_figure, panel_grid, save_figure
from ocp_dc.plotting.style import COLORS
from ocp_dc.study.record import StudyResults
from ocp_dc.study.report.changes import bracketed
from ocp_dc.study.report.display import DisplayUnit
from ocp_dc.study.report.groups import Group, gather
from ocp_dc.study.report.tables import BEYOND, NOTHING
from ocp_dc.study.results import read_results

QUANTITIES = (("energy_mae", "energy MAE, meV"), ("forces_mae", "force MAE, meV/Å"))


def main() -> None:
    """Print the table, and draw a panel for each error."""
    results = read_results(Path(sys.argv[1]))
    sizes = [group for group in gather(results) if group.data.isdigit()]
    if not sizes:
        raise SystemExit(f"{sys.argv[1]}: no data set is named after its number of structures, such as 400")
    groups = sorted(sizes, key=lambda group: (group.model, int(group.data)))
    arms = list(results.arms)
    heads = ("model", "structures", *(f"{arm}, meV / meV/Å" for arm in arms), f"{arms[-1]} against {arms[0]}")
    print(f"| {' | '.join(heads)} |")
    print("|---" * (len(arms) + 3) + "|")
    for group in groups:
        print(f"| {group.model} | {group.data} | {' | '.join(_cells(group, arms))} |")
    draw(results, groups, Path(sys.argv[2]))


def _cells(group: Group, arms: Sequence[str]) -> list[str]:
    texts = []
    for arm in arms:
        values = [_values(group, arm, key) for key, _ in QUANTITIES]
        texts.append(" / ".join(mean_and_spread([v * 1e3 for v in each]) if each else NOTHING for each in values))
    changes = [group.arms[arms[-1]].against_baseline[key] for key, _ in QUANTITIES]
    return [*texts, " / ".join(bracketed(each, DisplayUnit("")) + rf" \{BEYOND}" * each.beyond for each in changes)]


def _values(group: Group, arm: str, key: str) -> list[float]:
    return [run.metrics[key] for run in group.arms[arm].runs if key in run.metrics]


def draw(results: StudyResults, groups: Sequence[Group], path: Path) -> None:
    """Draw the mean errors over the numbers of structures, with each seed as a dot."""
    names = [(model, arm) for model in results.models for arm in results.arms]
    figure = new_figure((9.0, 3.8), legend_entries=len(names))
    handles: dict[tuple[str, str], Line2D] = {}
    for ax, (key, label) in zip(panel_grid(figure, 2, 2), QUANTITIES, strict=True):
        for number, (model, arm) in enumerate(names):
            points = {int(group.data): _values(group, arm, key) for group in groups if group.model == model}
            handles[model, arm] = _line(ax, points, COLORS[number % len(COLORS)], f"{model}, {arm}")
        log_scale(ax, "x")
        log_scale(ax, "y")
        ax.set(xlabel="training structures", ylabel=label)
        add_grid(ax)
    legend_below(figure, list(handles.values()))
    save_figure(figure, path)


def _line(ax: Axes, points: Mapping[int, Sequence[float]], color: str, label: str) -> Line2D:
    for size, values in points.items():
        ax.plot([size] * len(values), [value * 1e3 for value in values], ".", color=color, markersize=4)
    means = {size: statistics.mean(values) * 1e3 for size, values in points.items() if values}
    (line,) = ax.plot(list(means), list(means.values()), color=color, label=label)
    return line


if __name__ == "__main__":
    main()
