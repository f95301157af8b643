"""The sections of a report that need the checkpoint: errors in parts, worst structures, and dynamics."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import file_digest
from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_stream import frame_to_atoms
from ocp_dc.data.structures import ReadOptions, open_structures
from ocp_dc.dynamics.md import FIGURE, run_md
from ocp_dc.dynamics.options import MDOptions
from ocp_dc.dynamics.summary import summary_text
from ocp_dc.evaluation.calculator import PotentialCalculator
from ocp_dc.evaluation.evaluate import Evaluation, evaluate_structures
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.predictor import Predictor
from ocp_dc.evaluation.report import PARTS
from ocp_dc.evaluation.worst_structures import largest_errors
from ocp_dc.pages.parts import Plot, Table, table_of_rows
from ocp_dc.plotting.figures import png_bytes
from ocp_dc.plotting.style import DPI
from ocp_dc.run_report.gallery import Drawn, gallery
from ocp_dc.run_report.sections import Section

MOST_DRAWN = 6
LARGEST_DRAWN = 500  # atoms of a structure
MOST_ROWS = 40  # of a table; the CSV file has all
TITLES = {
    "errors_by_element": "By element",
    "errors_by_config_type": "By kind of structure",
    "errors_by_force": "By the size of the force",
    "errors_along_trajectory": "Along the trajectory",
}
WITHOUT_TABLE = ("errors_along_trajectory",)  # as long as the data


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a report evaluates a checkpoint.

    Args:
        read: units and names of the labels of the data.
        batch_size: structures per evaluation of the network.
        first_n: use only the first ``first_n`` structures; None for all.
        nve: the length of a simulation of the first structure, such as ``2 ps``; None for none.
        progress: show progress bars.
    """

    read: ReadOptions = dataclasses.field(default_factory=ReadOptions)
    batch_size: int = 32
    first_n: int | None = None
    nve: str | None = None
    progress: bool = True


def evaluation_sections(
    predictor: Predictor, checkpoint: Path, data: Path, out: Path, settings: Settings
) -> list[Section]:
    """Evaluate a checkpoint, and return its errors, the worst structures and a simulation as sections.

    Args:
        predictor: the checkpoint.
        checkpoint: its file.
        data: the structures.
        out: the folder of the report; it gets the folders ``evaluation`` and ``nve``.
        settings: how.
    """
    folder = out / "evaluation"
    title = f"{checkpoint.name} on {data}"
    found = evaluate_structures(
        *(predictor, data, folder, settings.read, title, settings.batch_size, settings.first_n),
        overwrite=True,
        progress=settings.progress,
    )
    sections = [_errors(found, data, folder), *_parts(folder)]
    if worst := _worst(found.predictions, data, settings.read):
        sections.append(worst)
    if settings.nve is not None:
        sections.append(_dynamics(predictor, checkpoint, data, out / "nve", settings))
    return sections


def _errors(found: Evaluation, data: Path, folder: Path) -> Section:
    parts: list[str | Table | Plot] = [f"The best checkpoint on {data}; tables and pictures are in {folder}."]
    if "ranges" in found.metrics:
        rows = [{"prediction": name, **ends} for name, ends in found.metrics["ranges"].items()]
        parts.append(table_of_rows("The structures have no labels", rows))
    else:
        units = found.metrics["units"]
        rows = [{"error": name, "value": found.metrics[name], "unit": unit} for name, unit in units.items()]
        parts.append(table_of_rows("Errors", rows))
    return Section("Errors", [*parts, *_picture(folder / "parity.png", "Predicted against true values"), *found.notes])


def _parts(folder: Path) -> list[Section]:
    sections = []
    for name in PARTS:
        parts: list[str | Table | Plot] = list(_picture(folder / f"{name}.png", TITLES[name]))
        if name not in WITHOUT_TABLE and (folder / f"{name}.csv").is_file():
            parts.append(table_of_rows(f"{name}.csv", _rows(folder / f"{name}.csv")[:MOST_ROWS]))
        if parts:
            sections.append(Section(TITLES[name], parts))
    return sections


def _worst(predictions: Predictions, data: Path, read: ReadOptions) -> Section | None:
    """Return the structures with the largest errors of the forces, or else of the energy."""
    rows: list[dict[str, Any]] = largest_errors(predictions, MOST_DRAWN)
    chosen = [row for row in rows if row["ranked_by"] == "forces"] or rows
    small = [row for row in chosen if row["natoms"] <= LARGEST_DRAWN]
    if not chosen:
        return None
    drawn = []
    with closing(open_structures(data, read, labels=False)) as source:
        for row in small:
            index, first = row["index"], int(predictions.first_atom[row["index"]])
            atoms = slice(first, first + row["natoms"])
            errors = predictions.forces_pred[atoms] - predictions.forces_true[atoms]
            drawn.append(Drawn(source[index], errors, _caption(row)))
    parts: list[str | Table | Plot] = []
    if drawn:
        figure = gallery(drawn)
        parts.append(
            Plot(
                "worst.png", "The structures with the largest errors", png_bytes(figure), *figure.get_size_inches()[:1]
            )
        )
    return Section("Worst structures", [*parts, table_of_rows("Worst first", chosen)])


def _caption(row: Mapping[str, Any]) -> str:
    force = row["max_force_error [eV/Å]"]
    lines = [f"{row['rank']}. structure {row['id']}", f"energy error {1e3 * row['energy_error [eV]']:.3g} meV"]
    return "\n".join([*lines, *([f"largest force error {force:.3g} eV/Å"] if force != "" else [])])


def _dynamics(predictor: Predictor, checkpoint: Path, data: Path, folder: Path, settings: Settings) -> Section:
    """Simulate the first structure at constant energy."""
    assert settings.nve is not None
    with closing(open_structures(data, settings.read, labels=False)) as source:
        atoms = frame_to_atoms(source[0])
    options = MDOptions(ensemble="nve", time=settings.nve)
    origin = {"checkpoint_sha256": file_digest(checkpoint)}
    try:
        summary = run_md(atoms, PotentialCalculator(predictor), folder, options, origin, settings.progress)
    except UserError as error:
        return Section("Dynamics", [f"The simulation was not possible: {error}"])
    lines = [f"The first structure, {options.temperature}.", *summary_text(summary).splitlines()]
    if summary["stopped"] is not None:
        lines.append(f"The simulation stopped: {summary['stopped']}.")
    return Section(
        "Dynamics", [*_picture(folder / FIGURE, "Energies, temperature and drift at constant energy"), *lines]
    )


def _picture(path: Path, caption: str) -> list[Plot]:
    """Return a picture that another function wrote, or nothing."""
    if not path.is_file():
        return []
    png = path.read_bytes()
    return [Plot(path.name, caption, png, int.from_bytes(png[16:20], "big") / DPI)]


def _rows(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
