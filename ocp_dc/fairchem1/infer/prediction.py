"""Predictions in physical units and full precision, as fairchem's trainer returns and writes them."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import torch
from fairchem.core.common import distutils
from torch_geometric.data import Batch
from tqdm import tqdm

from ocp_dc.fairchem1.checks import batch_check
from ocp_dc.fairchem1.train import norm_gains
from ocp_dc.fairchem1.train.scale_factors import ensure_fitted
from ocp_dc.fairchem1.train.transform import free_atoms


def predict(
    trainer: Any, data_loader: Any, per_image: bool, results_file: str | None, disable_progress: bool
) -> dict[str, Any]:
    """Predict every output for every structure.

    Args:
        trainer: the trainer, with the weights to be used in its model.
        data_loader: a loader, or one batch.
        per_image: return lists with an entry per structure, of the free atoms only, with ``ids`` and ``chunk_idx``
            as fairchem has them; else the tensors of the last batch.
        results_file: write the lists to ``ocp_RESULTS_FILE.npz`` in the results folder.
        disable_progress: no progress bar.

    Returns:
        energy in eV and forces in eV/Å; float64 where labels were rescaled.

    Raises:
        UserError: a prediction is not finite, or the model cannot take a structure; nothing is written then.
    """
    ensure_fitted(trainer._unwrapped_model, warn=True)
    norm_gains.ensure_fitted(trainer._unwrapped_model)
    batches = [data_loader] if isinstance(data_loader, Batch) else data_loader
    trainer.model.eval()
    predictions: dict[str, Any] = defaultdict(list)
    records: list[str] = []
    hidden = disable_progress or not distutils.is_master()
    for batch in tqdm(batches, desc="predicting", disable=hidden):
        with torch.autocast("cuda", enabled=trainer.scaler is not None):
            out = trainer._forward(batch)
        physical = {name: trainer._denorm_preds(name, out[name], batch).detach() for name in trainer.config["outputs"]}
        for name, values in physical.items():
            of_atoms = trainer.config["outputs"][name]["level"] == "atom"
            batch_check.check_finite(name, values, batch, of_atoms)
        if not per_image:
            return physical
        for name, values in physical.items():
            _collect(predictions, name, values.cpu(), batch, trainer.config["outputs"][name]["level"] == "atom")
        predictions["ids"].extend(_ids(batch))
        records.extend(batch.id if "id" in batch else _ids(batch))
    predictions["ids"] = distinct(predictions["ids"], records)
    trainer.save_results(predictions, results_file)
    return predictions


def _collect(predictions: dict[str, Any], name: str, values: torch.Tensor, batch: Any, of_atoms: bool) -> None:
    # A total energy of -4209 eV needs more digits than float32 has where differences of meV matter.
    if not of_atoms:
        predictions[name].extend(values.double().numpy())  # (structures, 1)
        return
    natoms = batch.natoms.tolist()
    free = torch.split(free_atoms(batch).cpu(), natoms)
    per_structure = [v[f].numpy() for v, f in zip(torch.split(values, natoms), free, strict=True)]
    predictions[name].extend(per_structure)
    chunk_name = "chunk_idx" if name == "forces" else f"{name}_chunk_idx"
    predictions[chunk_name].extend(np.array([len(v) for v in per_structure]))


def distinct(ids: list[str], records: list[str]) -> list[str]:
    """Return ids that differ where their records do; fairchem writes one structure of each id, and drops the others.

    Args:
        ids: of the structures that this rank has predicted.
        records: what tells their records apart; a rank may have one that another has too, for equal numbers.
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
            "the record follows them, as in ID#RECORD"
        )
    elif distutils.get_world_size() == 1 and len(set(ids)) < len(ids):
        logging.warning(
            f"{len(ids)} structures have {len(set(ids))} ids (sid and fid): predictions of one of each are written"
        )
    return [f"{name}#{record}" if name in shared else name for name, record in zip(ids, records, strict=True)]


def _ids(batch: Any) -> list[str]:
    def values(key: str) -> list[Any]:
        return batch[key].tolist() if torch.is_tensor(batch[key]) else list(batch[key])

    if "fid" in batch:
        return [f"{sid}_{fid}" for sid, fid in zip(values("sid"), values("fid"), strict=True)]
    return [str(sid) for sid in values("sid")]
