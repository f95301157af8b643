"""Structures that a model cannot take: found before the first step where that is affordable, else at their batch."""

from __future__ import annotations

import logging
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

# where models of fairchem 1.10 keep the features that they learn for each element: SchNet, DimeNet++, GemNets and
# PaiNN, the models on spheres
EMBEDDINGS = ("embedding", "emb.emb", "atom_emb.embeddings", "backbone.embedding")
LOOKED_THROUGH = 2000  # structures of a split that are read before the first step where no dataset.json lists elements


def largest_number(model: nn.Module) -> int | None:
    """Return the largest atomic number that a model has features for; None where it does not learn them."""
    largest = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Embedding):
            continue
        if name.endswith("atom_emb.embeddings"):  # the first row is hydrogen's
            largest.append(module.num_embeddings)
        elif name in EMBEDDINGS or name.endswith("sphere_embedding"):  # row n is that of atomic number n
            largest.append(module.num_embeddings - 1)
    return min(largest, default=None)


def check_batch(model: nn.Module, batch: Any) -> None:
    """Refuse a batch that the model cannot take.

    Args:
        model: the model, in its mode.
        batch: the structures; on the CPU the check costs microseconds.

    Raises:
        UserError: an element without features, or, in training mode with BatchNorm, a batch of a single atom.
    """
    largest = largest_number(model)
    if largest is not None and int(batch.atomic_numbers.max()) > largest:
        atom = int(batch.atomic_numbers.argmax())
        raise _unknown(name_of(batch, int(batch.batch[atom])), int(batch.atomic_numbers[atom]), largest)
    if getattr(model, "quad_interaction", False):
        _check_tags(model, batch)
    if model.training and len(batch.pos) == 1 and any(isinstance(m, nn.BatchNorm1d) for m in model.modules()):
        raise UserError(
            f"{name_of(batch, 0)}: a batch of a single atom has no variance, by which BatchNorm divides in training; "
            "increase optim.batch_size, or set model.dc.denormalize: batchnorm"
        )


def _check_tags(model: Any, batch: Any) -> None:
    """Warn, once a model, of a structure in which GemNet-OC finds no quadruplets, as none of its tags is asked for."""
    asked = model.qint_tags.to(batch.tags.device)
    with_quadruplets = batch.batch[torch.isin(batch.tags, asked)].unique()
    if len(with_quadruplets) < len(batch.natoms) and not getattr(model, "has_warned_of_tags", False):
        model.has_warned_of_tags = True
        lacking = min(set(range(len(batch.natoms))) - set(with_quadruplets.tolist()))
        logging.warning(
            f"{name_of(batch, lacking)}: no atom has one of the tags {asked.tolist()} of model.qint_tags, so that "
            "GemNet-OC computes no quadruplets for it. Tag the atoms (0 deep, 1 surface, 2 adsorbate), or set "
            "model.qint_tags: [0, 1, 2]"
        )


def check_finite(name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    """Refuse predictions that are not finite.

    Args:
        name: of the output.
        values: of each structure, or of each atom where ``of_atoms``.
        batch: the structures.
        of_atoms: what a row of ``values`` belongs to.

    Raises:
        UserError: a value is NaN or infinite; the message names the structures.
    """
    if named := _not_finite(values, batch, of_atoms):
        raise UserError(
            f"the predicted {name} of {named} is not finite. Atoms may be too close, or the weights of the checkpoint "
            "may be damaged or from a training that diverged"
        )


def check_label(name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    """Refuse labels that are not finite, of any name: a record's energy and forces were checked when it was read.

    Args:
        name: of the output.
        values: as of :func:`check_finite`.
        batch: the structures.
        of_atoms: what a row of ``values`` belongs to.

    Raises:
        UserError: a value is NaN or infinite; the message names the structures.
    """
    if named := _not_finite(values, batch, of_atoms):
        raise UserError(f"the label {name} of {named} is NaN or infinite; bad data. Take it out, or mend the file")


def _not_finite(values: torch.Tensor, batch: Any, of_atoms: bool) -> str:
    """Return the names of the structures that have a value which is not finite; empty where there are none."""
    wrong = ~torch.isfinite(values).reshape(len(batch.batch if of_atoms else batch.natoms), -1).all(dim=1)
    rows = wrong.nonzero().flatten()
    structures = (batch.batch[rows] if of_atoms else rows).unique().tolist()
    return ", ".join(name_of(batch, index) for index in structures[:5]) + (", ..." if structures[5:] else "")


def check_splits(
    model: nn.Module, rescaling: LabelRescaling | None, splits: Mapping[str, tuple[Any, str | None]]
) -> None:
    """Refuse elements of any split that the model or the labels' center does not know, before the first step.

    A split without a dataset.json beside it that lists the elements is looked through where it is small.

    Args:
        model: the model.
        rescaling: of the labels.
        splits: data set, or None where there is none, and its ``src``, by split.

    Raises:
        UserError: the message names split, structure and element.
    """
    largest = largest_number(model)
    references = None if rescaling is None else rescaling.references
    if largest is None and references is None:
        return
    seen = set(range(119)) if references is None else set((~references.isnan()).nonzero().flatten().tolist())
    known = seen if largest is None else {number for number in seen if number <= largest}
    for split, (dataset, source) in splits.items():
        if dataset is None:
            continue
        listed = _listed_elements(source)
        if (listed is None and len(dataset) > LOOKED_THROUGH) or (listed is not None and listed <= known):
            continue
        with unscaled(dataset):  # rescaling would stop at an element that it does not know
            for index in range(len(dataset)):
                _check_elements(dataset[index], split, known, largest)


def _check_elements(sample: Any, split: str, known: set[int], largest: int | None) -> None:
    unknown = sorted({int(number) for number in sample.atomic_numbers} - known)
    if not unknown:
        return
    where = f"dataset.{split}: {_name_of_sample(sample)}"
    if largest is not None and unknown[-1] > largest:
        raise _unknown(where, unknown[-1], largest)
    raise UserError(
        f"{where}: label_rescaling has no reference energy for {chemical_symbols[unknown[0]]}, which is not in the "
        "training set; take it out, train on data that hold it, or use center: mean or none"
    )


def name_of(batch: Any, index: int) -> str:
    """Return what messages call a structure of a batch: its sid and fid, or its place; and its record."""
    parts = [f"{key} {_plain(batch[key][index])}" for key in ("sid", "fid") if key in batch and batch[key] is not None]
    record = f" (record {batch.id[index]})" if "id" in batch else ""
    return "structure " + (" ".join(parts) or str(index)) + record


def _name_of_sample(sample: Any) -> str:
    """Return what messages call a structure; its place would be that in an order which fairchem shuffles."""
    parts = [
        f"{key} {_plain(sample[key])}" for key in ("sid", "fid", "id") if key in sample and sample[key] is not None
    ]
    return "structure " + " ".join(parts)


def _plain(value: Any) -> Any:
    return value.item() if torch.is_tensor(value) and value.numel() == 1 else value


def _unknown(where: str, number: int, largest: int) -> UserError:
    symbol = chemical_symbols[number] if 0 < number < len(chemical_symbols) else "no element"
    return UserError(
        f"{where}: atomic number {number} ({symbol}); this model has features up to {largest} "
        f"({chemical_symbols[min(largest, 118)]}). Take the structure out, or use a model with more elements"
    )


def _listed_elements(source: Any) -> set[int] | None:
    """Return the atomic numbers in the dataset.json of ``ocp-dc prepare`` above a split's folder, if there is one."""
    if not isinstance(source, str):
        return None
    path = Path(source)
    path = (path if path.is_dir() else path.parent).parent / "dataset.json"
    try:
        record = read_json(path, "run ocp-dc prepare again") if path.is_file() else {}
    except UserError as error:
        logging.warning(f"{error}; the elements of {source} are looked for in the structures")
        return None
    elements = record.get("elements")
    if not isinstance(elements, list) or not all(element in atomic_numbers for element in elements):
        return None
    return {atomic_numbers[element] for element in elements}
