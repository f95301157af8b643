"""The end of a training run of fairchem 2: errors on the test split, and the last lines."""

from __future__ import annotations

import json
import logging
from typing import Any

from fairchem.core.common import distutils

from ocp_dc.fairchem2.train.final_test import evaluate_best
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.fairchem2.train.run_header import source_of
from ocp_dc.training.output import say
from ocp_dc.training.run_lines import say_end
from ocp_dc.training.state import TrainingState


def end_run(
    unit: Any,
    folder: RunFolder,
    state: TrainingState,
    loaders: dict[str, Any],
    step_of_best: int | None,
    complete: bool,
) -> None:
    """Evaluate the test split, and show the last lines; all ranks call this.

    Args:
        unit: the training unit.
        folder: the folder of the run.
        state: the state of the run.
        loaders: the loaders of ``val`` and ``test``; None for a split that there is not.
        step_of_best: the step of the best checkpoint; None without one.
        complete: whether the run was not stopped before its end.
    """
    if loaders["test"] is None or step_of_best is None:
        logging.info("the test split is not evaluated: there is no loader of it, or no finite validation")
    elif not complete:
        logging.info("the test split is not evaluated: the run was stopped before its end")
    elif not folder.best.is_file():
        logging.warning(f"the test split is not evaluated: {folder.best} was removed")
    else:
        evaluate_best(unit, loaders["test"], folder, state.step, step_of_best)
    if distutils.is_master():
        _say_end(folder, state.primary_metric, loaders, complete)


def _say_end(folder: RunFolder, primary_metric: str, loaders: dict[str, Any], complete: bool) -> None:
    record = folder.results / "test.json"
    test = json.loads(record.read_text(encoding="utf-8")) if complete and record.is_file() else None
    if not complete:
        say("the run was stopped before its end")
    sources = [source_of(loaders[split]) for split in ("test", "val") if loaders[split] is not None]
    data = next((str(source) for source in sources if source is not None), None)
    say_end(folder.validation, primary_metric, folder.best, test, data, folder.results.parent / "evaluation")
