"""Predictions in physical units and full precision, as fairchem's trainer returns and writes them."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from fairchem.core.common import distutils
from torch import nn
from tqdm import tqdm

from ocp_dc.fairchem1.checks import batch_check
from ocp_dc.fairchem1.train.scale_factors import ensure_fitted
from ocp_dc.fairchem1.train.transform import free_atoms
from ocp_dc.training.gains import check_fitted


def check_model(model: nn.Module) -> None:
    """Check that a model can predict: warn about scale factors that are not fitted, and refuse such gains.

    Raises:
        UserError: a gain is not fitted.
    """
    ensure_fitted(model, warn=True)
    check_fitted(model)


def predict_batch(
    batch: Any,
    forward: Callable[[Any], Mapping[str, torch.Tensor]],
    to_physical: Callable[[str, torch.Tensor, Any], torch.Tensor],
    outputs: Mapping[str, Mapping[str, Any]],
) -> dict[str, torch.Tensor]:
    """Return every output for the structures of a batch, in physical units.

    Args:
        batch: the structures.
        forward: returns the predictions of the model.
        to_physical: converts a prediction to physical units, given its name, its value and the batch.
        outputs: the settings of each output, by name.

    Raises:
        UserError: a prediction is not finite, or the model cannot take a structure.
    """
    out = forward(batch)
    physical = {name: to_physical(name, out[name], batch).detach() for name in outputs}
    for name, values in physical.items():
        batch_check.check_finite(name, values, batch, outputs[name]["level"] == "atom")
    return physical


def predict_structures(
    batches: Iterable[Any],
    predict: Callable[[Any], Mapping[str, torch.Tensor]],
    outputs: Mapping[str, Mapping[str, Any]],
    disable_progress: bool,
) -> dict[str, Any]:
    """Return lists with one entry per structure, for free atoms only, with ``ids`` and ``chunk_idx`` as in fairchem.

    Args:
        batches: the structures.
        predict: returns the outputs of a batch in physical units.
        outputs: the settings of each output, by name.
        disable_progress: show no progress bar.

    Returns:
        Energies in eV and forces in eV/Å; forces are float64 if labels were rescaled.

    Raises:
        UserError: a prediction is not finite, or the model cannot take a structure.
    """
    predictions: dict[str, Any] = defaultdict(list)
    records: list[str] = []
    hidden = disable_progress or not distutils.is_master()
    for batch in tqdm(batches, desc="predicting", disable=hidden):
        for name, values in predict(batch).items():
            _collect(predictions, name, values.cpu(), batch, outputs[name]["level"] == "atom")
        predictions["ids"].extend(_ids(batch))
        records.extend(batch.id if "id" in batch else _ids(batch))
    predictions["ids"] = distinct(predictions["ids"], records)
    return predictions


def _collect(predictions: dict[str, Any], name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    # float32 has too few digits for differences of meV in a total energy such as -4209 eV.
    if not of_atoms:
        predictions[name].extend(values.double().numpy())  # [B, 1]
        return
    natoms = batch.natoms.tolist()
    free = torch.split(free_atoms(batch).cpu(), natoms)
    per_structure = [v[f].numpy() for v, f in zip(torch.split(values, natoms), free, strict=True)]
    predictions[name].extend(per_structure)
    chunk_name = "chunk_idx" if name == "forces" else f"{name}_chunk_idx"
    predictions[chunk_name].extend(np.array([len(v) for v in per_structure]))


def distinct(ids: list[str], records: list[str]) -> list[str]:
    """Return ids that differ if their records differ; fairchem writes one structure per id, and drops the others.

    Args:
        ids: the ids of the structures that this rank has predicted.
        records: the names of their records; ranks may share a record, as padding gives all ranks equally many.
    """
    pairs = set(zip(ids, records, strict=True))
    if distutils.get_world_size() > 1:
        of_ranks: list[Any] = [None] * distutils.get_world_size()
        torch.distributed.all_gather_object(of_ranks, pairs)
        pairs = set().union(*of_ranks)
    shared = {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}
    if shared:
        logging.warning(
            f"{len(shared)} ids (sid and fid) belong to several structures each, such as {min(shared)}: the number of "
            "the record is appended, as in ID#RECORD"
        )
    elif distutils.get_world_size() == 1 and len(set(ids)) < len(ids):
        logging.warning(
            f"{len(ids)} structures have {len(set(ids))} ids (sid and fid): only one prediction per id is written"
        )
    return [f"{name}#{record}" if name in shared else name for name, record in zip(ids, records, strict=True)]


def _ids(batch: Any) -> list[str]:
    def values(key: str) -> list[Any]:
        return batch[key].tolist() if torch.is_tensor(batch[key]) else list(batch[key])

    if "fid" in batch:
        return [f"{sid}_{fid}" for sid, fid in zip(values("sid"), values("fid"), strict=True)]
    return [str(sid) for sid in values("sid")]
