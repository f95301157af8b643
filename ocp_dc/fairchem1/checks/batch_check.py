"""Reject structures that a model cannot process: before the first step if that is cheap, else with their batch."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json
from ocp_dc.fairchem1.train.transform import unscaled
from ocp_dc.labels import LabelRescaling

# the modules in which models of fairchem 1.10 keep their learned features of each element: SchNet, DimeNet++, GemNet
# and PaiNN, models of spherical harmonics
EMBEDDINGS = ("embedding", "emb.emb", "atom_emb.embeddings", "backbone.embedding")
_largest: weakref.WeakKeyDictionary[nn.Module, int | None] = weakref.WeakKeyDictionary()
SEARCH_LIMIT = 2000  # the largest split that is read before the first step if no dataset.json lists its elements


def largest_atomic_number(model: nn.Module) -> int | None:
    """Return the largest atomic number that a model has features for, or None if it learns no such features.

    The modules of a model are searched once, as this is asked for each batch.
    """
    if model not in _largest:
        _largest[model] = _search_embeddings(model)
    return _largest[model]


def _search_embeddings(model: nn.Module) -> int | None:
    largest = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Embedding):
            continue
        if name.endswith("atom_emb.embeddings"):  # the first row is hydrogen
            largest.append(module.num_embeddings)
        elif name in EMBEDDINGS or name.endswith("sphere_embedding"):  # row n is atomic number n
            largest.append(module.num_embeddings - 1)
    return min(largest, default=None)


def check_batch(model: nn.Module, batch: Any) -> None:
    """Check that the model can process a batch; on the CPU this takes microseconds.

    Args:
        model: the model, in training or evaluation mode.
        batch: the structures.

    Raises:
        UserError: an element has no features, or the batch is a single atom and BatchNorm is in training mode.
    """
    largest = largest_atomic_number(model)
    if largest is not None and int(batch.atomic_numbers.max()) > largest:
        atom = int(batch.atomic_numbers.argmax())
        raise _unknown_element(structure_name(batch, int(batch.batch[atom])), int(batch.atomic_numbers[atom]), largest)
    if getattr(model, "quad_interaction", False):
        _check_tags(model, batch)
    if model.training and len(batch.pos) == 1 and any(isinstance(m, nn.BatchNorm1d) for m in model.modules()):
        raise UserError(
            f"{structure_name(batch, 0)}: BatchNorm cannot be trained on a batch of a single atom, which has no "
            "variance; increase optim.batch_size, or set model.dc.denormalize: batchnorm"
        )


def _check_tags(model: Any, batch: Any) -> None:
    """Warn once per model about a structure without quadruplets: none of its atoms has a tag of ``qint_tags``."""
    asked = model.qint_tags.to(batch.tags.device)
    with_quadruplets = batch.batch[torch.isin(batch.tags, asked)].unique()
    if len(with_quadruplets) < len(batch.natoms) and not getattr(model, "has_warned_of_tags", False):
        model.has_warned_of_tags = True
        lacking = min(set(range(len(batch.natoms))) - set(with_quadruplets.tolist()))
        logging.warning(
            f"{structure_name(batch, lacking)}: no atom has one of the tags {asked.tolist()} of model.qint_tags, so "
            "GemNet-OC computes no quadruplets for it. Tag the atoms (0 deep, 1 surface, 2 adsorbate), or set "
            "model.qint_tags: [0, 1, 2]"
        )


def check_finite(name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    """Check that predictions are finite.

    Args:
        name: the name of the output.
        values: ``[B, ...]``, or ``[N, ...]`` if ``of_atoms``.
        batch: the structures.
        of_atoms: whether a row of ``values`` belongs to an atom rather than to a structure.

    Raises:
        UserError: a value is NaN or infinite; the message names the structures.
    """
    if named := _nonfinite_structures(values, batch, of_atoms):
        raise UserError(
            f"the predicted {name} of {named} is not finite. Atoms may be too close, or the weights of the checkpoint "
            "may be damaged or from a training run that diverged"
        )


def check_label(name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    """Check that labels of any name are finite; energy and forces were already checked when the record was read.

    Args:
        name: the name of the output.
        values: ``[B, ...]``, or ``[N, ...]`` if ``of_atoms``.
        batch: the structures.
        of_atoms: whether a row of ``values`` belongs to an atom rather than to a structure.

    Raises:
        UserError: a value is NaN or infinite; the message names the structures.
    """
    if named := _nonfinite_structures(values, batch, of_atoms):
        raise UserError(
            f"the label {name} of {named} is NaN or infinite: bad data. Remove the structure, or fix the file"
        )


def _nonfinite_structures(values: torch.Tensor, batch: Any, of_atoms: bool) -> str:
    """Return the names of the structures with a value that is not finite; an empty text if there are none."""
    wrong = ~torch.isfinite(values).reshape(len(batch.batch if of_atoms else batch.natoms), -1).all(dim=1)
    rows = wrong.nonzero().flatten()
    structures = (batch.batch[rows] if of_atoms else rows).unique().tolist()
    return ", ".join(structure_name(batch, index) for index in structures[:5]) + (", ..." if structures[5:] else "")


def check_splits(
    model: nn.Module, rescaling: LabelRescaling | None, splits: Mapping[str, tuple[Any, str | None]]
) -> None:
    """Check, before the first step, that the model and the label rescaling know the elements of all splits.

    The elements are read from the dataset.json above a split's folder. Without one, a small split is searched and a
    large one is skipped.

    Args:
        model: the model.
        rescaling: the label rescaling.
        splits: the data set, None if there is none, and its ``src``, by split.

    Raises:
        UserError: an element is unknown; the message names split, structure and element.
    """
    largest = largest_atomic_number(model)
    references = None if rescaling is None else rescaling.references
    if largest is None and references is None:
        return
    seen = set(range(119)) if references is None else set((~references.isnan()).nonzero().flatten().tolist())
    known = seen if largest is None else {number for number in seen if number <= largest}
    for split, (dataset, source) in splits.items():
        if dataset is None:
            continue
        listed = _listed_elements(source)
        if (listed is None and len(dataset) > SEARCH_LIMIT) or (listed is not None and listed <= known):
            continue
        with unscaled(dataset):  # rescaling would raise an error at an unknown element
            for index in range(len(dataset)):
                _check_elements(dataset[index], split, known, largest)


def _check_elements(sample: Any, split: str, known: set[int], largest: int | None) -> None:
    unknown = sorted({int(number) for number in sample.atomic_numbers} - known)
    if not unknown:
        return
    where = f"dataset.{split}: {_sample_name(sample)}"
    if largest is not None and unknown[-1] > largest:
        raise _unknown_element(where, unknown[-1], largest)
    raise UserError(
        f"{where}: label_rescaling has no reference energy for {chemical_symbols[unknown[0]]}, which is not in the "
        "training set; remove the structure, train on data with this element, or use center: mean or none"
    )


def structure_name(batch: Any, index: int) -> str:
    """Return the name of a structure of a batch for messages: its sid and fid, or its index, and its record."""
    parts = [
        f"{key} {_as_number(batch[key][index])}" for key in ("sid", "fid") if key in batch and batch[key] is not None
    ]
    record = f" (record {batch.id[index]})" if "id" in batch else ""
    return "structure " + (" ".join(parts) or str(index)) + record


def _sample_name(sample: Any) -> str:
    """Return the name of a structure for messages, without its index: fairchem shuffles the order."""
    parts = [
        f"{key} {_as_number(sample[key])}" for key in ("sid", "fid", "id") if key in sample and sample[key] is not None
    ]
    return "structure " + " ".join(parts)


def _as_number(value: Any) -> Any:
    return value.item() if torch.is_tensor(value) and value.numel() == 1 else value


def _unknown_element(where: str, number: int, largest: int) -> UserError:
    symbol = chemical_symbols[number] if 0 < number < len(chemical_symbols) else "no element"
    return UserError(
        f"{where}: atomic number {number} ({symbol}); this model has features up to {largest} "
        f"({chemical_symbols[min(largest, 118)]}). Remove the structure, or use a model with more elements"
    )


def _listed_elements(source: Any) -> set[int] | None:
    """Return the elements (atomic numbers) listed in the dataset.json above a split's folder, or None without one."""
    if not isinstance(source, str):
        return None
    path = Path(source)
    path = (path if path.is_dir() else path.parent).parent / "dataset.json"
    try:
        record = read_json(path, "run ocp-dc prepare again") if path.is_file() else {}
    except UserError as error:
        logging.warning(f"{error}; reading the elements of {source} from its structures instead")
        return None
    elements = record.get("elements")
    if not isinstance(elements, list) or not all(element in atomic_numbers for element in elements):
        return None
    return {atomic_numbers[element] for element in elements}
