"""Write the report of one run as a page that opens from the disk."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_text
from ocp_dc.hosts import IN_WORDS, check_installed, installed_host, load_predictor
from ocp_dc.pages.html import render_page
from ocp_dc.run_report.evaluated import Settings, evaluation_sections
from ocp_dc.run_report.run import Run, run_to_report, source_of_split
from ocp_dc.run_report.sections import (
    Section,
    config_section,
    curves_section,
    environment_section,
    progress,
    records_section,
    times_section,
    validations,
)

PAGE = "report.html"


def report_run(
    path_or_name: str | Path,
    data: str | Path | None = None,
    out: str | Path | None = None,
    settings: Settings = Settings(),  # noqa: B008 - immutable
    cpu: bool = False,
    trust_modules: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Write ``report.html`` about a run, finished or not, and return its path.

    The page holds its pictures. Beside it are the evaluation of the best checkpoint, if there is one, and the
    simulation.

    Args:
        path_or_name: the run, see :func:`ocp_dc.run_report.run.run_to_report`.
        data: the structures of the evaluation; None for the test split of the config, or else its validation split, if
            it is there.
        out: the folder; None for ``report`` in the folder of the run.
        settings: how the checkpoint is evaluated.
        cpu: use the CPU even if there is a GPU.
        trust_modules: dotted names of modules whose code the checkpoint may name.
        overwrite: replace an existing report.

    Raises:
        UserError: there is no such run, it is one of the other host, its files are damaged, the data are not valid, or
            the folder has a report already.
    """
    run = run_to_report(path_or_name)
    check_installed(run.host, f"run {run.folder}")
    folder = run.folder / "report" if out is None else Path(out)
    check_folder(folder, overwrite)
    config, columns = run.read_config(), validations(run)
    chosen = Path(data) if data is not None else _data_of(config)
    sections = [
        config_section(installed_host(), config),
        curves_section(columns),
        records_section(run, columns),
        *_evaluated(run, chosen, data is None, folder, settings, cpu, trust_modules),
        times_section(columns),
        environment_section(run),
    ]
    lines = [f"{IN_WORDS[run.host]}, {run.folder}. {progress(run, columns)}"]
    command = ["ocp-dc", "report", str(path_or_name), *([] if data is None else ["--data", str(data)]), "--overwrite"]
    values = {"title": run.folder.resolve().name, "lines": lines, "sections": sections, "command": shlex.join(command)}
    write_text(folder / PAGE, render_page("ocp_dc.run_report", "page.html", values))
    return folder / PAGE


def check_folder(folder: Path, overwrite: bool) -> None:
    """Check that a folder can take a report.

    Raises:
        UserError: it is a file, or holds a report that must not be overwritten.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: got a file, expected a folder for the report")
    held = [name for name in (PAGE, "evaluation/evaluation.json") if (folder / name).exists()]
    if held and not overwrite:
        raise UserError(f"{folder}: holds {held[0]} already; name another folder with --out, or give --overwrite")


def _data_of(config: object) -> Path | None:
    """Return the test split of a config, or else its validation split; None if neither is there."""
    sources = (source_of_split(config, split) for split in ("test", "val"))
    return next((Path(source) for source in sources if source is not None and Path(source).exists()), None)


def _evaluated(
    run: Run,
    data: Path | None,
    may_fail: bool,
    folder: Path,
    settings: Settings,
    cpu: bool,
    trust_modules: Sequence[str],
) -> list[Section]:
    """Return the sections that need the checkpoint, or one that says why there are none."""
    checkpoint = run.checkpoint
    if checkpoint is None:
        return [Section("Errors", ["The run has no best checkpoint yet, which the first validation writes."])]
    if data is None:
        return [Section("Errors", ["The data sets of the config are not there; --data names structures to evaluate."])]
    try:
        predictor = load_predictor(checkpoint, cpu, trust_modules)
        return evaluation_sections(predictor, checkpoint, data, folder, settings)
    except UserError as error:
        if not may_fail:
            raise
        return [Section("Errors", [f"The checkpoint could not be evaluated on {data}: {error}"])]
