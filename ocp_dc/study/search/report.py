"""The report of a search: its table, the best recipes, the finals, a plot, and a page; finished or not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator
from rich.console import Console

from ocp_dc.core.files import write_csv, write_text
from ocp_dc.core.yaml_config import yaml_text
from ocp_dc.plotting.axes import add_grid
from ocp_dc.plotting.figures import legend_below, new_figure, panel_grid, save_figure
from ocp_dc.plotting.style import COLORS, literal_text
from ocp_dc.study.deltas import short
from ocp_dc.study.report.markdown import escaped
from ocp_dc.study.search.folder import SearchFolder
from ocp_dc.study.search.journal import Key, importances
from ocp_dc.study.search.recipes import finals, recipe
from ocp_dc.study.search.record import TrialRecord, best_trials, read_trials

SHOWN = 5  # trials of each arm in the page
Trials = Mapping[Key, list[TrialRecord]]


def write_report(folder: SearchFolder) -> list[Path]:
    """Write ``trials.csv``, ``best/``, ``finals.yml``, ``scores.png`` and ``report.md``; return their paths."""
    trials = read_trials(folder)
    best = {key: best_trials(folder, records) for key, records in trials.items()}
    out, written = folder.out, []
    if rows := trial_rows(folder, trials):
        write_csv(out / "trials.csv", rows)
        written.append(out / "trials.csv")
    for key, records in best.items():
        for place, record in enumerate(records if folder.search.weights is None else records[:1], start=1):
            number = f"-{place}" if folder.search.weights is None else ""
            path = out / "best" / f"{file_name(key)}{number}.yml"
            base = folder.search.arm(key[1]).base or folder.search.options.base
            head = f"# Trial {record.number} of {key[0]}, {key[1]}: {record.describe()}.\n# Changes of {base}.\n"
            write_text(path, head + yaml_text(recipe(folder, record)))
            written.append(path)
    if any(best.values()):
        write_text(out / "finals.yml", yaml_text(finals(folder, best)))
        written.append(out / "finals.yml")
    if folder.search.weights is not None and any(record.scores for records in trials.values() for record in records):
        _plot(folder, trials, out / "scores.png")
        written.append(out / "scores.png")
    write_text(out / "report.md", "\n".join(_page(folder, trials, best)) + "\n")
    return [*written, out / "report.md"]


def print_report(folder: SearchFolder, console: Console) -> None:
    """Print the best trial of each model and arm."""
    for key, records in read_trials(folder).items():
        best = best_trials(folder, records)
        over = sum(record.is_over for record in records)
        line = f"{key[0]}, {key[1]}: {over} of {folder.trials} trials"
        console.print(line, style="bold", markup=False, highlight=False, soft_wrap=True)
        for record in best if folder.search.weights is None else best[:1]:
            console.print(
                f"  trial {record.number}: {record.describe()}", markup=False, highlight=False, soft_wrap=True
            )
            for name, value in record.values.items():
                console.print(f"    {name}: {short(value)}", markup=False, highlight=False, soft_wrap=True)


def trial_rows(folder: SearchFolder, trials: Trials) -> list[dict[str, object]]:
    """Return a row for each trial that was started."""
    names = list(dict.fromkeys(name for key in folder.keys for name in folder.search.spaces[key[1]]))
    rows = []
    for key, records in trials.items():
        for record in records:
            row: dict[str, object] = {"model": key[0], "arm": key[1], "trial": record.number, "state": record.state}
            row["rung"] = record.rung
            row["score"] = record.scores[-1] if record.scores and record.state != "diverged" else ""
            for data in folder.search.data:
                errors = record.errors.get(data)
                row[f"{data} energy_mae [meV]"] = "" if errors is None else errors["energy_mae"] * 1e3
                row[f"{data} forces_mae [meV/Å]"] = "" if errors is None else errors["forces_mae"] * 1e3
            row |= {name: _cell(record.values.get(name, "")) for name in names}
            rows.append({**row, "seconds": round(record.seconds, 1), "message": record.message})
    return rows


def file_name(key: Key) -> str:
    """Return a name for files of a model and an arm."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(key)).strip("-")


def _cell(value: Any) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else short(value)


def _page(folder: SearchFolder, trials: Trials, best: Trials) -> list[str]:
    search = folder.search
    lines = [f"# {escaped(search.options.title or search.study.path.stem)}", ""]
    rungs = "; ".join(
        f"{rung.share:.0%} of the budget, seeds {', '.join(map(str, rung.seeds))}" for rung in search.rungs
    )
    lines += [f"Budget of a whole run: {search.budget}. Rungs: {rungs}. Errors are those of the validation set.", ""]
    for key, records in trials.items():
        states = [record.state for record in records]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        lines += [
            f"## {escaped(f'{key[0]}, {key[1]}')}",
            "",
            f"{len(records)} of {folder.trials} trials: {counts}.",
            "",
        ]
        if best[key]:
            lines += [*_table(folder, best[key][:SHOWN]), ""]
        scored = [(record.frozen, record.scores[0]) for record in records if record.scores and search.weights]
        if found := importances(scored):
            listed = ", ".join(f"{escaped(name)} {value:.0%}" for name, value in found.items())
            lines += [f"Importance for the score at the first rung (PED-ANOVA): {listed}.", ""]
    if (folder.out / "scores.png").is_file():
        lines += ["## Scores", "", "![score of each trial](scores.png)", ""]
    names = " ".join(shlex.quote(name) for name in search.data)
    lines += ["## Finals", "", "With seeds and a test set that the search has not seen:", "", "```sh"]
    lines += [f"ocp-dc study run {shlex.quote(str(folder.out / 'finals.yml'))} --data {names} --out finals", "```", ""]
    return [*lines, "## Again", "", "```sh", folder.command, "```"]


def _table(folder: SearchFolder, records: list[TrialRecord]) -> list[str]:
    names = list(records[0].values)
    heads = ["trial", "score"]
    heads += [f"{data}: {unit}" for data in folder.search.data for unit in ("meV", "meV/Å")] + names
    rows = []
    for record in records:
        cells = [str(record.number), ", ".join(f"{each:.4f}" for each in record.frozen.values)]
        for data in folder.search.data:
            cells += [f"{record.errors[data][name] * 1e3:.4g}" for name in ("energy_mae", "forces_mae")]
        rows.append([*cells, *(short(record.values.get(name, "")) for name in names)])
    table = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cell if cell == '---' else escaped(cell) for cell in row)} |" for row in table]


def _plot(folder: SearchFolder, trials: Trials, path: Path) -> None:
    """Draw the last score of each trial against its number, and the best score of all rungs so far."""
    models = list(dict.fromkeys(key[0] for key in folder.keys))
    arms = list(dict.fromkeys(key[1] for key in folder.keys))
    figure = new_figure((4.6 * min(len(models), 3) + 0.6, 3.6 * -(-len(models) // 3)), legend_entries=len(arms))
    panels = panel_grid(figure, len(models), 3)
    handles = {}
    for ax, model in zip(panels, models, strict=True):
        for number, arm in enumerate(arms):
            records = [record for record in trials.get((model, arm), []) if record.scores]
            color = COLORS[number % len(COLORS)]
            done = [record for record in records if record.state == "done"]
            early = [record for record in records if record.state != "done"]
            ax.scatter(
                [r.number for r in early], [r.scores[-1] for r in early], s=16, facecolors="none", edgecolors=color
            )
            ax.scatter([r.number for r in done], [r.scores[-1] for r in done], s=22, color=color)
            lowest = [min(each.scores[-1] for each in done[: i + 1]) for i in range(len(done))]
            (handles[arm],) = ax.step(
                [r.number for r in done], lowest, where="post", color=color, label=literal_text(arm)
            )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(title=literal_text(model), xlabel="trial", ylabel="score")
        add_grid(ax)
    legend_below(figure, list(handles.values()), "filled: all rungs, hollow: ended earlier, line: the best so far")
    save_figure(figure, path)
