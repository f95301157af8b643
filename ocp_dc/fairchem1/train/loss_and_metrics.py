"""The terms of the loss, and metrics in physical units."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import operator
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, cast

import torch
from fairchem.core.modules.loss import DDPLoss
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.batch_check import check_label
from ocp_dc.fairchem1.train.losses import weight
from ocp_dc.fairchem1.train.transform import free_atoms
from ocp_dc.labels import LabelRescaling
from ocp_dc.training.finite_checks import RunPosition, diverged
from ocp_dc.training.flag_reader import FlagReader

NOT_GIVEN = re.compile(r"Output target: '(.*?)', not found in model outputs: \[(.*?)\]")  # raised by fairchem's trainer
RESCALED = ("energy", "forces", "stress")  # outputs that label rescaling scales
DEFAULT_METRICS = {
    "energy": ["mae", "per_atom_mae"],
    "forces": ["mae"],
    "stress": ["mae"],
    "misc": ["energy_forces_within_threshold"],  # needs both outputs
}


def default_metrics(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default metrics, for a config that names none: those of its outputs."""
    present = {*outputs, *(["misc"] if {"energy", "forces"} <= set(outputs) else [])}
    metrics = {target: names for target, names in DEFAULT_METRICS.items() if target in present}
    return {"metrics": metrics, "primary_metric": "loss"}


def all_metrics(outputs: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an ``evaluation_metrics`` block with the default for each key that is missing or null."""
    return default_metrics(outputs) | {key: value for key, value in (given or {}).items() if value is not None}


@contextlib.contextmanager
def output_errors() -> Iterator[None]:
    """Turn fairchem's errors about outputs that the model does not return into UserErrors.

    Raises:
        UserError: the model does not return an output; the message names the outputs that it returns.
    """
    try:
        yield
    except (AttributeError, AssertionError, KeyError) as error:
        text, place = " ".join(str(error).split()), traceback.extract_tb(error.__traceback__)[-1]
        if not place.filename.endswith("ocp_trainer.py"):
            raise
        if missing := NOT_GIVEN.search(text):
            text = (
                f"the model returns {missing[2]}, but not {missing[1]}; remove it, name outputs like the heads, or set "
                "model.pass_through_head_outputs: true, with which outputs have the names that heads return"
            )
        elif isinstance(error, KeyError):
            text = f"a head of the model does not return {text}; set property to a name that the head returns"
        raise UserError(f"outputs: {text}") from error


@dataclasses.dataclass(frozen=True)
class LossSetup:
    """The parts of fairchem's trainer that turn predictions into a loss.

    Args:
        functions: for each term, the name of the output and its settings.
        outputs: the settings of each output, by name.
        references: fairchem's element references, by output.
        normalizers: fairchem's normalizers, by output.
        progress: the progress of the run, from 0 to 1, on which weights may depend.
    """

    functions: Sequence[tuple[str, Mapping[str, Any]]]
    outputs: Mapping[str, Mapping[str, Any]]
    references: Mapping[str, Any]
    normalizers: Mapping[str, Any]
    progress: float = 1.0


def loss_terms(
    setup: LossSetup, out: Mapping[str, Tensor], batch: Any, where: RunPosition, reader: FlagReader
) -> dict[str, Tensor]:
    """Return each weighted term of the loss, on scaled labels, as fairchem's trainer computes it.

    Args:
        setup: loss functions, outputs and normalizers.
        out: predictions: energy ``[B, 1]``, forces ``[N, 3]``, stress ``[B, 9]``.
        batch: the batch with the labels.
        where: the position of the run, for messages.
        reader: reads whether the predictions and the terms are finite.

    Raises:
        DivergenceError: a prediction or a term is not finite.
        UserError: the data have no label for an output, or a label that is not finite.
    """
    terms: dict[str, Tensor] = {}
    finite = []  # of the predictions and the term of each function
    free = free_atoms(batch).nonzero().flatten()  # rows instead of a mask: a GPU finds them once, not at each use
    for name, info in setup.functions:
        predicted = out[name]
        target = _label(batch, name).view(predicted.shape)
        if len(free) < len(batch.pos) and _free_only(setup.outputs, name, "train_on_free_atoms"):
            predicted, target = predicted[free], target[free]
        if name in setup.references:
            target = setup.references[name].dereference(target, batch)
        if name in setup.normalizers:
            target = setup.normalizers[name].norm(target)
        term = weight(info, setup.progress) * _reduced(info["fn"], predicted, target, batch.natoms)
        if predicted.numel() == 0:  # no free atom in the batch: fairchem divides by 0
            term = predicted.sum()
        finite += [predicted.detach().isfinite().all(), term.detach().isfinite()]
        terms[name] = terms[name] + term if name in terms else term
    reader.check(torch.stack(finite), functools.partial(_fail, setup, batch, where))
    return terms


def _reduced(function: Any, predicted: Tensor, target: Tensor, natoms: Tensor) -> Tensor:
    """Return a loss of fairchem without its check for NaN, which waits for the device at each call."""
    if not isinstance(function, DDPLoss):
        return cast(Tensor, function(predicted, target, natoms=natoms))
    return cast(Tensor, function._reduction(predicted, function.loss_fn(predicted, target, natoms), natoms))


def _fail(setup: LossSetup, batch: Any, where: RunPosition, finite: Sequence[bool]) -> NoReturn:
    """Raise the error of the first prediction or term that is not finite."""
    first = finite.index(False)
    name = setup.functions[first // 2][0]
    if first % 2 == 1:  # the predictions are finite, so that the label may be the reason
        check_label(name, _label(batch, name), batch, setup.outputs[name]["level"] == "atom")
    raise diverged(f"the {name} loss", where)


def total_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms of a loss."""
    return functools.reduce(operator.add, terms.values())


def physical_values(
    outputs: Mapping[str, Mapping[str, Any]],
    out: Mapping[str, Tensor],
    batch: Any,
    to_prediction: Callable[[str, Tensor, Any], Tensor],
    rescaling: LabelRescaling | None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return predictions and targets of a batch in eV, eV/Å and eV/Å³, as fairchem's evaluator takes them.

    Args:
        outputs: the settings of each output, by name.
        out: predictions on scaled labels.
        batch: the batch with the scaled labels.
        to_prediction: returns a prediction in physical units, given the name of the output, its value and the batch.
        rescaling: the label rescaling, or None.
    """
    free = free_atoms(batch)
    structures = batch.natoms.numel()
    # fairchem counts only the free atoms of a structure, also for energies per atom. If forces are compared on all
    # atoms, its threshold metric needs all of them.
    counted = free if _free_only(outputs, "forces", "eval_on_free_atoms") else torch.ones_like(free)
    counts = torch.zeros(structures, dtype=torch.long, device=free.device)
    natoms = counts.index_add(0, batch.batch, counted.long())  # [B]
    predictions: dict[str, Tensor] = {"natoms": natoms}
    targets: dict[str, Tensor] = {"natoms": natoms}
    for name in outputs:
        predicted = to_prediction(name, out[name].detach(), batch)
        target = _label(batch, name).view(predicted.shape)
        if rescaling is not None:
            target = to_physical(rescaling, name, target, batch)
        if _free_only(outputs, name, "eval_on_free_atoms"):
            predicted, target = predicted[free], target[free]
        predictions[name], targets[name] = predicted, target
    return predictions, targets


def outputs_of_atoms(outputs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the names of the outputs that have one row per atom."""
    return [name for name, settings in outputs.items() if settings["level"] == "atom"]


def _label(batch: Any, name: str) -> Tensor:
    if name not in batch:
        raise UserError(
            f"outputs.{name}: the data have no label of this name; they hold {', '.join(sorted(batch.keys()))}. "
            "dataset.train.key_mapping gives labels the names of outputs, such as {y: energy, force: forces}. A "
            "label that not every structure of a batch has is left out of it"
        )
    return batch[name]


def to_physical(rescaling: LabelRescaling, name: str, scaled: Tensor, batch: Any) -> Tensor:
    """Return a target or prediction in physical units, float64; targets outside ``RESCALED`` are unchanged."""
    if name == "energy":
        centers = rescaling.center(batch.atomic_numbers, batch.batch, batch.natoms.numel())
        return rescaling.physical_energy(scaled, centers.view(-1, 1))  # [B, 1]
    return rescaling.physical_forces(scaled) if name in RESCALED else scaled


def _free_only(outputs: Mapping[str, Mapping[str, Any]], name: str, key: str) -> bool:
    """Return whether only free atoms count for an output; ``key`` is the name of the setting."""
    settings = outputs.get(name, {"level": "atom"})
    return settings["level"] == "atom" and settings.get(key, True)
