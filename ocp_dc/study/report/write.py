"""The report of a study: Markdown, one HTML page, CSV tables and plots, or the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing, write_csv
from ocp_dc.study.record import StudyResults
from ocp_dc.study.report.content import PLOT_SUFFIXES, build_content
from ocp_dc.study.report.csv_rows import run_rows, table_rows
from ocp_dc.study.report.effect_tables import effect_rows
from ocp_dc.study.report.html import render_html
from ocp_dc.study.report.markdown import render_markdown
from ocp_dc.study.report.terminal import print_content


def write_report(results: StudyResults, out: Path) -> list[Path]:
    """Write ``table.csv``, ``runs.csv``, ``plots/*.png``, ``report.md`` and ``report.html``; return their paths.

    If the arms of a model and data set are a full factorial of the study's axes, there is ``effects.csv`` as well.
    Everything is made before the first file is written, and each file is written atomically. The files of an earlier
    report are replaced, and plots that the new report does not have are removed.

    Args:
        results: the study, finished or not.
        out: the folder; it is made if it does not exist.

    Raises:
        UserError: the study has no runs, saved predictions that cannot be read, or ``out`` is a file.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: got a file, expected a folder for the report")
    report = build_content(results)
    texts = {out / "report.md": render_markdown(report), out / "report.html": render_html(report)}
    plots = {out / "plots" / plot.name: plot.png for section in report.sections for plot in section.plots}
    rows = {out / "table.csv": table_rows(results, report.groups), out / "runs.csv": run_rows(results)}
    parts = zip(report.groups, report.sections, strict=True)
    if effects := [row for group, section in parts for row in effect_rows(group, section.effects)]:
        rows[out / "effects.csv"] = effects
    for path, table in rows.items():
        write_csv(path, table)
    for path, data in (*plots.items(), *((path, text.encode("utf-8")) for path, text in texts.items())):
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    if not effects:
        (out / "effects.csv").unlink(missing_ok=True)
    for path in (out / "plots").glob("*.png"):
        if path not in plots and path.stem.endswith(PLOT_SUFFIXES):
            path.unlink()
    return [*rows, *plots, *texts]


def print_report(results: StudyResults, console: Console | None = None) -> None:
    """Print the verdict and the tables of a study.

    Args:
        results: the study, finished or not.
        console: where to print; the terminal by default.

    Raises:
        UserError: the study has no runs.
    """
    print_content(build_content(results, plots=False), console or Console())
