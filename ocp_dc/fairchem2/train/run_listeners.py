"""The listeners of a training run of fairchem 2, in the order in which they are called."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import torch
from fairchem.core.common import distutils

from ocp_dc.core.files import write_text
from ocp_dc.evaluation.run_curves import LiveCurves
from ocp_dc.fairchem2.backbones.native import native_backbone
from ocp_dc.fairchem2.labels.tasks import check_tasks
from ocp_dc.fairchem2.train.best_checkpoint import BestCheckpoint
from ocp_dc.fairchem2.train.label_check import check_elements, check_labels
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.fairchem2.train.run_header import say_run_header
from ocp_dc.training import gains
from ocp_dc.training.acceleration import AccelerationChoice
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.environment import describe_environment
from ocp_dc.training.first_weights import warn_of_first_weights
from ocp_dc.training.initial_weights import initial_weights
from ocp_dc.training.listeners import AtStart, Listener, Listeners
from ocp_dc.training.progress_bar import ProgressBar
from ocp_dc.training.records import write_once
from ocp_dc.training.run_lines import ValidationLines
from ocp_dc.training.running_means import RunningMeans
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import RunTime, StepClock
from ocp_dc.training.validation_log import ValidationLog
from ocp_dc.training.validation_rows import ValidationRows


class MeansOverRanks(RunningMeans):
    """Running means whose values at a validation are those of all ranks."""

    def since_validation(self) -> dict[str, float]:
        """Return the means over all ranks since the last call; all ranks call this."""
        means = super().since_validation()
        values = distutils.all_reduce(list(means.values()), average=True, device=distutils.get_device_for_local_rank())
        return dict(zip(means, map(float, values), strict=True)) if means else {}


@dataclasses.dataclass(frozen=True)
class RunParts:
    """What the listeners of a run are made of.

    Args:
        unit: fairchem's training unit.
        loaders: the loaders of ``train`` and ``val``.
        test_loader: the loader of the test split; None without one.
        folder: the folder of the run.
        resumed: whether the run resumes from a checkpoint.
        total: the number of steps of the whole run; None if it has no end.
        clock: times the steps.
        best: writes the best checkpoint.
        stopping: stops early.
        bar: the progress bar.
    """

    unit: Any
    loaders: dict[str, Any]
    test_loader: Any
    folder: RunFolder
    resumed: bool
    total: int | None
    clock: StepClock
    best: BestCheckpoint
    stopping: EarlyStopping
    bar: ProgressBar


def run_listeners(parts: RunParts, state: TrainingState) -> Listeners:
    """Return the listeners of a run; further ones are added here."""
    master = distutils.is_master()
    log = ValidationLog(parts.folder.validation, enabled=master)
    listeners: list[Listener] = [
        AtStart(lambda state: check_labels(parts.unit.tasks, parts.loaders, logs=master)),
        AtStart(lambda state: _check_elements(parts)),
        AtStart(lambda state: _check_tasks(parts.unit, state)),
        *([] if parts.resumed else _of_a_fresh_run(parts)),
        AtStart(lambda state: gains.check_fitted(state.bare_model)),
        *([AtStart(lambda state: _write_records(parts, state))] if master else []),
        AtStart(lambda state: log.cut_after(state.epoch)),  # rows that this run writes again
        ValidationRows(log, parts.clock),
        parts.best,
        parts.stopping,
        state.running_means,
        *([AtStart(lambda state: _say_header(parts, state)), ValidationLines()] if master else []),
        parts.bar,
        *([] if parts.total is None else [_acceleration(parts.total), RunTime(parts.total)]),
        *([LiveCurves(log.path)] if master else []),
        parts.clock,  # last, so that the start of the other listeners is not timed
    ]
    return Listeners(listeners)


def _say_header(parts: RunParts, state: TrainingState) -> None:
    loaders = {**parts.loaders, "test": parts.test_loader}
    say_run_header(parts.unit, loaders, parts.folder.results.parent, parts.resumed, state)


def _check_elements(parts: RunParts) -> None:
    test = {} if parts.test_loader is None else {"test": parts.test_loader}
    check_elements(parts.unit.tasks, {**parts.loaders, **test})


def _check_tasks(unit: Any, state: TrainingState) -> None:
    """Check that energy and forces are scaled alike, if the model has a ``dc:`` block that changes it."""
    options = getattr(state.bare_model, "dc_options", None)
    if options is not None and not options.is_noop:
        check_tasks(unit.tasks)


def _acceleration(total: int) -> AccelerationChoice:
    return AccelerationChoice(total, native_backbone, logs=distutils.is_master(), agree=_agree_on_first_rank())


def _of_a_fresh_run(parts: RunParts) -> list[Listener]:
    """Return the listeners of a run without a checkpoint."""

    def write_initial_weights(state: TrainingState) -> None:
        write_text(parts.folder.results / "initial_weights.json", initial_weights(state.bare_model))

    def check_average(state: TrainingState) -> None:
        if parts.total is not None:
            warn_of_first_weights(parts.unit.ema_decay, parts.total, "ema_decay")

    fit = gains.GainFit(lambda: _pass_first_batch(parts), _agree_on_first_rank(), logs=distutils.is_master())
    return [fit, *([AtStart(write_initial_weights), AtStart(check_average)] if distutils.is_master() else [])]


def _pass_first_batch(parts: RunParts) -> None:
    """Pass the first batch through the model, without a random number of the run."""
    loader = parts.loaders["train"]
    batch = loader.collate_fn([loader.dataset[int(index)] for index in next(iter(loader.batch_sampler))])
    parts.unit.model(batch.to(distutils.get_device_for_local_rank()))


def _agree_on_first_rank() -> Callable[[list[float]], list[float]]:
    def of_first_rank(values: list[float]) -> list[float]:
        shared: list[Any] = [values]
        distutils.broadcast_object_list(shared, src=0, device=distutils.get_device_for_local_rank())
        return list(shared[0])

    return of_first_rank


def _write_records(parts: RunParts, state: TrainingState) -> None:
    results, device = parts.folder.results, torch.device(distutils.get_device_for_local_rank())
    record = describe_environment(device, ("fairchem-core",), distutils.get_world_size())
    write_once(results / "environment.json", json.dumps(record, indent=2) + "\n")
    if (report := getattr(state.bare_model, "dc_report", None)) is not None:
        write_once(results / "surgery.json", json.dumps(report.to_dict(), indent=2) + "\n")
