"""From a file of structures to a prepared data set and a config that trains on it."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.files import replacing_folder, write_text
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.data.label_search import with_found_keys
from ocp_dc.data.output_folder import new_folder
from ocp_dc.data.prepare import prepare
from ocp_dc.data.splits import Size
from ocp_dc.data.structures import ReadOptions
from ocp_dc.hosts import Host, installed_host
from ocp_dc.start.settings import choose_settings
from ocp_dc.training.first_run import FirstRun

RUN = "first"  # the name of the run in the printed commands
BATCHES = 8  # on which scale factors are fitted
logger = logging.getLogger(__name__)


class Project(NamedTuple):
    """A prepared data set and a config; the result of :func:`init_project`.

    Attributes:
        description: the content of dataset.json.
        config: the config.
        reasons: the settings that were chosen, with their reasons, a sentence each.
        commands: what to run next, by what it does: ``train``, ``evaluate`` and ``use``.
    """

    description: dict[str, Any]
    config: Path
    reasons: list[str]
    commands: dict[str, str]


def init_project(
    files: Sequence[Path | str],
    out: Path | str,
    *,
    model: str = "schnet",
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    train: Size = None,
    val: Size = None,
    test: Size = None,
    seed: int = 0,
    progress: bool = True,
) -> Project:
    """Look at files of structures, prepare them, and write a config of the installed host that trains on them.

    Labels are found by their usual names, or else by likely ones. The folder is written whole or not at all.

    Args:
        files: files of structures, or folders of them.
        out: the folder to create, for the data in ``data``, the config, and the runs.
        model: one of the host's models, such as ``schnet``.
        options: what the files do not say: units and names of labels.
        train: number or share of training structures; None is what the others leave.
        val: number or share of validation structures; None is a tenth.
        test: number or share of test structures; None is a tenth.
        seed: seed of the split.
        progress: show progress bars.

    Raises:
        UserError: an argument, a file or a structure is not valid, or there are too few structures.
    """
    host = installed_host()
    if model not in host.first_runs.models:
        raise unknown_name("model", model, host.first_runs.models)
    real = new_folder(out)
    options, notes = with_found_keys([Path(file) for file in files], options)
    for note in notes:
        logger.warning(f"note: {note}")
    with replacing_folder(real) as folder:
        description = prepare(
            files, folder / "data", **asdict(options), train=train, val=val, test=test, seed=seed, progress=progress
        )
        if not description["counts"]["val"]:
            raise UserError(
                f"got {description['source_count']} structures, of which none is left for validation; expected at "
                "least 2 structures and --val 1"
            )
        run = _first_run(host, model, description, folder)
        config = folder / f"{model}{host.first_runs.suffix}"
        run = _with_scales(host, run, config)
        final = replace(
            run,
            folder=real,
            data=real / "data",
            scale_file=None if run.scale_file is None else real / run.scale_file.name,
        )
        write_text(config, host.first_runs.config(final))
    commands = _commands(host, final, Path(out))
    return Project(description, Path(out) / config.name, list(run.reasons.values()), commands)


def _first_run(host: Host, model: str, description: dict[str, Any], folder: Path) -> FirstRun:
    import torch  # slow to import

    gpu = torch.cuda.is_available()
    periodic = set(description["boundaries"]) != {"F F F"}
    settings = choose_settings(description, folder / "data", periodic, host.first_runs.neighbors(model, periodic), gpu)
    formulas = ", ".join(list(description["formulas"])[:3]) + (", ..." if description["formula_count"] > 3 else "")
    return FirstRun(
        title=f"{model}-dc on {description['source']}: {description['counts']['train']} structures of {formulas}",
        model=model,
        folder=folder,
        data=folder / "data",
        has_test=bool(description["counts"]["test"]),
        gpu=gpu,
        scale_file=None,
        **vars(settings),
    )


def _with_scales(host: Host, run: FirstRun, config: Path) -> FirstRun:
    """Return the run with fitted scale factors where its model has some; the model is built as a check of the config.

    The config is written to its place for that, with paths that hold until the folder gets its name.
    """
    write_text(config, host.first_runs.config(run))
    scales = config.with_name("scales.json")
    with raised_log_level(logging.ERROR):  # the training run says the same
        if not host.studies.check(host.studies.load(config), ()).fits_scales:
            return run
        host.fit_scales(str(config), scales, (), (), BATCHES, not run.gpu)
    reasons = {**run.reasons, "scale_file": f"scale_file: factors fitted on {BATCHES} batches, for these activations"}
    return replace(run, scale_file=scales, reasons=reasons)


def _commands(host: Host, run: FirstRun, out: Path) -> dict[str, str]:
    config = out / f"{run.model}{host.first_runs.suffix}"
    checkpoint = host.run_files(out, RUN).best_checkpoint
    split = "test" if run.has_test else "val"
    evaluate = ["evaluate", str(checkpoint), str(out / "data" / split), "--out", str(out / "evaluation")]
    return {
        "train": shlex.join(["ocp-dc", *host.first_runs.command(config, replace(run, folder=out), RUN)]),
        "evaluate": shlex.join(["ocp-dc", *evaluate]),
        "use": f"atoms.calc = ocp_dc.calculator({str(checkpoint)!r})",
    }
