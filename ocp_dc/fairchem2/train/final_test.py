"""Evaluate the best checkpoint on the test split, once, at the end of a training run of fairchem 2."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.stress import full_3x3_to_voigt_6_stress
from fairchem.core.common import distutils, gp_utils
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from ocp_dc.core.files import write_json
from ocp_dc.evaluation.metrics import error_metrics
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.fairchem2.train.best_checkpoint import read_averages
from ocp_dc.fairchem2.train.label_check import of_task
from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.training.averages import other_weights
from ocp_dc.training.state import TrainingState

Rows = dict[str, np.ndarray]  # the values of a structure, or of several
SHOWN = ("energy_mae", "forces_mae", "stress_mae")
PER_ATOM = ("free", "forces_true", "forces_pred")


def evaluate_best(unit: Any, loader: Any, folder: RunFolder, step: int, step_of_best: int) -> None:
    """Write ``test.json``, unless it is there already for this step; all ranks call this.

    Args:
        unit: the training unit; its weights are restored afterwards.
        loader: the loader of the test split.
        folder: the folder of the run.
        step: the last step of the run.
        step_of_best: the step of the best checkpoint.
    """
    path = folder.results / "test.json"
    origin = {"checkpoint": folder.best.name, "checkpoint_step": step_of_best, "trained_steps": step}
    if _is_there(path, origin):
        logging.info(f"{path} is of this checkpoint already: the test split is not evaluated again")
        return
    model = _bare(unit.eval_unit.model)
    with other_weights(TrainingState(model=model), read_averages(folder.best)):
        rows = predict(model, unit.tasks, loader)
    gathered = distutils.gather_objects(rows)
    if not distutils.is_master():
        return
    # rank r predicted structures r, r + ranks, ...
    ordered = [row for group in itertools.zip_longest(*gathered) for row in group if row is not None]
    found = [row for row in ordered if np.isfinite(row["energy_true"]).all() and np.isfinite(row["forces_true"]).all()]
    if not found:
        logging.warning("no structure of the test split has finite labels of energy and forces: it is not evaluated")
        return
    if undefined := sum(not np.isfinite(row["energy_pred"]).all() for row in found):
        logging.warning(f"{undefined} structures of the test split have no finite predicted energy")
    metrics = error_metrics(_predictions(found))
    write_json(path, {**origin, **metrics, "n_without_labels": len(ordered) - len(found)})
    shown = ", ".join(f"{name} {metrics[name]:.5g} {metrics['units'][name]}" for name in SHOWN if name in metrics)
    logging.info(f"test split, {folder.best.name} of step {step_of_best}: {shown}")


def predict(model: torch.nn.Module, tasks: Sequence[Any], loader: Any) -> list[Rows]:
    """Return labels and predictions of this rank's share of the structures, in physical units.

    The share has no structure twice, unlike that of fairchem's sampler. No global random number is drawn.

    Args:
        model: the model, without DistributedDataParallel.
        tasks: those of the unit.
        loader: the loader of the test split.
    """
    in_groups = gp_utils.initialized()
    rank = gp_utils.get_dp_rank() if in_groups else distutils.get_rank()
    ranks = gp_utils.get_dp_world_size() if in_groups else distutils.get_world_size()
    share = DataLoader(
        Subset(loader.dataset, range(rank, len(loader.dataset), ranks)),
        batch_size=loader.batch_sampler.batch_size,
        collate_fn=loader.collate_fn,
        generator=torch.Generator(),  # so that the global one is not used
    )
    rows: list[Rows] = []
    training = model.training
    model.eval()
    for batch in share:
        on_device = batch.to(distutils.get_device_for_local_rank())
        with torch.no_grad():
            outputs = model(on_device)
        rows += _rows(outputs, tasks, on_device)
    model.train(training)
    return rows


def _rows(outputs: Any, tasks: Sequence[Any], batch: Any) -> list[Rows]:
    """Return the rows of the structures of a batch."""
    counts = batch.natoms.tolist()
    columns: Rows = {"natoms": np.array(counts), "free": (batch.fixed == 0).cpu().numpy()}
    shapes = {"energy": (len(counts),), "forces": (sum(counts), 3)}
    if any(task.property == "stress" for task in tasks):
        shapes["stress"] = (len(counts), 9)
    for name, shape in shapes.items():
        # a property may have a task for each data set
        columns[f"{name}_true"], columns[f"{name}_pred"] = np.full((2, *shape), np.nan)
        for task in (task for task in tasks if task.property == name):
            chosen = of_task(task, batch)  # [B]
            chosen = np.repeat(chosen, counts) if name == "forces" else chosen
            columns[f"{name}_true"][chosen] = _numbers(batch[task.name], shape)[chosen]
            columns[f"{name}_pred"][chosen] = _numbers(_physical(outputs, task, batch), shape)[chosen]
    if not any(task.property == "forces" for task in tasks):  # no atom counts
        columns["free"] = np.zeros(sum(counts), dtype=bool)
        columns["forces_true"] = columns["forces_pred"] = np.zeros((sum(counts), 3))
    for name in ("stress_true", "stress_pred") if "stress" in shapes else ():
        columns[name] = full_3x3_to_voigt_6_stress(columns[name].reshape(-1, 3, 3))  # [B, 6]
        columns[name][~batch.pbc.reshape(-1, 3).all(dim=1).cpu().numpy()] = np.nan
    bounds = np.cumsum(counts)[:-1]
    parts = {name: np.split(values, bounds if name in PER_ATOM else len(counts)) for name, values in columns.items()}
    return [{name: arrays[row] for name, arrays in parts.items()} for row in range(len(counts))]


def _physical(outputs: Any, task: Any, batch: Any) -> Tensor:
    """Return the predictions of a task in physical units."""
    values = task.normalizer.denorm(outputs[task.name][task.property].detach().clone())
    if task.element_references is not None:
        values = task.element_references.undo_refs(batch, values)
    return values


def _numbers(values: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    return values.double().cpu().numpy().reshape(shape)


def _predictions(rows: Sequence[Rows]) -> Predictions:
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return Predictions(**columns, ids=[str(index) for index in range(len(rows))])


def _bare(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model within an average and DistributedDataParallel."""
    while isinstance(model, torch.optim.swa_utils.AveragedModel | torch.nn.parallel.DistributedDataParallel):
        model = model.module
    return model


def _is_there(path: Path, origin: dict[str, Any]) -> bool:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return {name: found.get(name) for name in origin} == origin
