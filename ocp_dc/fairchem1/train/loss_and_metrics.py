"""The loss by its terms, and metrics in physical units."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.batch_check import check_label
from ocp_dc.fairchem1.train import counted_atoms
from ocp_dc.fairchem1.train.transform import free_atoms
from ocp_dc.labels import LabelRescaling
from ocp_dc.training.finite_checks import check_term, diverged

NOT_GIVEN = re.compile(r"Output target: '(.*?)', not found in model outputs: \[(.*?)\]")  # of fairchem's trainer
DEFAULT_METRICS = {
    "energy": ["mae", "per_atom_mae"],
    "forces": ["mae"],
    "misc": ["energy_forces_within_threshold"],  # of both
}


def default_metrics(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of a config that names none: those of what the model puts out."""
    present = {*outputs, *(["misc"] if {"energy", "forces"} <= set(outputs) else [])}
    metrics = {target: names for target, names in DEFAULT_METRICS.items() if target in present}
    return {"metrics": metrics, "primary_metric": "loss"}


def all_metrics(outputs: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an ``evaluation_metrics`` block with the default of each key that is not there, or is null."""
    return default_metrics(outputs) | {key: value for key, value in (given or {}).items() if value is not None}


@contextlib.contextmanager
def output_errors() -> Iterator[None]:
    """Turn what fairchem's trainer says of outputs that the model does not give into an error for the user.

    Raises:
        UserError: the message names what there is.
    """
    try:
        yield
    except (AttributeError, AssertionError, KeyError) as error:
        text, place = " ".join(str(error).split()), traceback.extract_tb(error.__traceback__)[-1]
        if not place.filename.endswith("ocp_trainer.py"):
            raise
        if missing := NOT_GIVEN.search(text):
            text = (
                f"the model gives {missing[2]}, and no {missing[1]}; remove it, name outputs as the heads, or set "
                "model.pass_through_head_outputs: true, with which they are what heads give"
            )
        elif isinstance(error, KeyError):
            text = f"a head of the model gives no {text}; each needs the name of what its head gives as property"
        raise UserError(f"outputs: {text}") from error


def loss_terms(trainer: Any, out: dict[str, torch.Tensor], batch: Any) -> dict[str, torch.Tensor]:
    """Return each weighted term of the loss, on scaled labels, as fairchem's trainer computes it.

    Args:
        trainer: the trainer, for its loss functions, outputs and normalizers.
        out: predictions: energy (structures, 1), forces (atoms, 3).
        batch: the batch with the labels.

    Raises:
        DivergenceError: a prediction or a term is not finite.
        UserError: the data have no label for an output, or one that is not finite.
    """
    terms: dict[str, torch.Tensor] = {}
    for name, info in trainer.loss_functions:
        predicted = out[name]
        target = _label(batch, name).view(predicted.shape)
        natoms = batch.natoms
        if _free_only(trainer, name, "train_on_free_atoms"):
            free = free_atoms(batch)
            predicted, target = predicted[free], target[free]
        if name in trainer.elementrefs:
            target = trainer.elementrefs[name].dereference(target, batch)
        if name in trainer.normalizers:
            target = trainer.normalizers[name].norm(target)
        check_term(trainer, name, predicted)
        term = info["coefficient"] * info["fn"](predicted, target, natoms=natoms)
        if predicted.numel() == 0:  # no free atom in the batch: fairchem divides by 0
            term = predicted.sum()
        if not bool(torch.isfinite(term).all()):
            check_label(name, _label(batch, name), batch, trainer.output_targets[name]["level"] == "atom")
            raise diverged(trainer, f"the {name} loss")
        terms[name] = terms[name] + term if name in terms else term
    return terms


def update_metrics(
    trainer: Any, out: dict[str, torch.Tensor], batch: Any, evaluator: Any, metrics: dict[str, Any] | None
) -> dict[str, Any]:
    """Return fairchem's metrics of a batch, added to ``metrics``, in eV and eV/Å.

    Args:
        trainer: the trainer, for its outputs and what undoes the rescaling.
        out: predictions on scaled labels.
        batch: the batch with the scaled labels.
        evaluator: fairchem's evaluator.
        metrics: the sums so far.
    """
    free = free_atoms(batch)
    structures = batch.natoms.numel()
    # The atoms of each structure that fairchem counts are the free ones, also for energies per atom; where forces are
    # compared on all atoms its threshold metric needs all.
    counted = free if _free_only(trainer, "forces", "eval_on_free_atoms") else torch.ones_like(free)
    counts = torch.zeros(structures, dtype=torch.long, device=free.device)
    natoms = counts.index_add(0, batch.batch, counted.long())  # (structures,)
    predictions: dict[str, torch.Tensor] = {"natoms": natoms}
    targets: dict[str, torch.Tensor] = {"natoms": natoms}
    for name in trainer.output_targets:
        predicted = trainer._denorm_preds(name, out[name].detach(), batch)
        target = _label(batch, name).view(predicted.shape)
        if trainer.label_rescaling is not None:
            target = to_physical(trainer.label_rescaling, name, target, batch)
        if _free_only(trainer, name, "eval_on_free_atoms"):
            predicted, target = predicted[free], target[free]
        predictions[name], targets[name] = predicted, target
    of_atoms = [name for name, output in trainer.output_targets.items() if output["level"] == "atom"]
    return counted_atoms.evaluate(evaluator, predictions, targets, batch.natoms, of_atoms, metrics)


def _label(batch: Any, name: str) -> torch.Tensor:
    if name not in batch:
        raise UserError(
            f"outputs.{name}: the data have no label of this name; they hold {', '.join(sorted(batch.keys()))}. "
            "dataset.train.key_mapping gives labels the names of outputs, such as {y: energy, force: forces}. A "
            "label that not every structure of a batch has is left out of it"
        )
    return batch[name]


def to_physical(rescaling: LabelRescaling, name: str, scaled: torch.Tensor, batch: Any) -> torch.Tensor:
    """Return a target or prediction in physical units, float64; targets other than energy and forces stay."""
    if name == "energy":
        centers = rescaling.center(batch.atomic_numbers, batch.batch, batch.natoms.numel())
        return rescaling.physical_energy(scaled, centers.view(-1, 1))  # (structures, 1)
    return rescaling.physical_forces(scaled) if name == "forces" else scaled


def _free_only(trainer: Any, name: str, key: str) -> bool:
    settings = trainer.output_targets.get(name, {"level": "atom"})
    return settings["level"] == "atom" and settings.get(key, True)
