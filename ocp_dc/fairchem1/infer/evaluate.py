"""``ocp-dc evaluate``: predict the structures of an LMDB, and return them with the labels, in physical units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import count as number
from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.data.oc20_lmdb.sample_check import ENERGY_KEYS, FORCES_KEYS
from ocp_dc.evaluation.predictions import Predictions, count_to_predict
from ocp_dc.fairchem1.infer.inference import check_outputs, load_trainer
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.model_boundaries import has_boundaries
from ocp_dc.fairchem1.train.transform import free_atoms


def predict_labels(
    checkpoint: str | Path,
    lmdb: str | Path,
    batch_size: int = 32,
    cpu: bool = False,
    progress: bool = True,
    first_n: int | None = None,
    trust_modules: Sequence[str] = (),
) -> Predictions:
    """Return the predictions of a checkpoint for the structures of an LMDB, with their labels.

    Args:
        checkpoint: a checkpoint of ocp_dc or fairchem.
        lmdb: an LMDB file, or a folder of them.
        batch_size: structures per evaluation of the network.
        cpu: use the CPU even if there is a GPU.
        progress: show a progress bar.
        first_n: evaluate only the first ``first_n`` structures of the data set; None for all.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Raises:
        UserError: a file is missing, damaged or hostile, a structure has no labels, ``batch_size`` is below 1, or
            ``first_n`` is below 1 or above the number of structures.
    """
    number(nullable=False).check(batch_size, "batch_size")
    if not isinstance(cpu, bool):
        raise UserError(f"cpu: got {cpu!r}, expected True or False")
    check_lmdb(Path(lmdb))
    dataset = LmdbDataset({"src": str(lmdb)})
    count = count_to_predict(first_n, len(dataset), lmdb)
    trainer = load_trainer(checkpoint, cpu=cpu, trust_modules=trust_modules)
    check_outputs(trainer, ("energy", "forces"), checkpoint)
    periodic = has_boundaries(trainer._unwrapped_model)
    columns: dict[str, list[Any]] = {name: [] for name in Predictions.__dataclass_fields__}
    hidden = None if progress else True
    batches = _chunks(dataset, count, batch_size)
    for samples in tqdm(batches, total=-(-count // batch_size), disable=hidden, unit="batch"):
        # Take labels from the samples, because batching casts the energy to float32.
        for sample in samples:
            columns["energy_true"].append(float(_label(sample, ENERGY_KEYS, lmdb)))
            columns["forces_true"].append(np.asarray(_label(sample, FORCES_KEYS, lmdb), dtype=np.float64))
            columns["natoms"].append(len(sample.pos))
            columns["free"].append(free_atoms(sample).numpy())
            columns["ids"].append("_".join(_plain(sample[key]) for key in ("sid", "fid") if key in sample) or sample.id)
        out = trainer.predict(collate(samples, otf_graph=True, use_pbc=periodic), per_image=False, disable_tqdm=True)
        columns["energy_pred"].append(out["energy"].double().flatten().cpu().numpy())
        columns["forces_pred"].append(out["forces"].double().cpu().numpy())
    return Predictions(
        energy_true=np.array(columns["energy_true"]),
        energy_pred=np.concatenate(columns["energy_pred"]),
        forces_true=np.concatenate(columns["forces_true"]),
        forces_pred=np.concatenate(columns["forces_pred"]),
        natoms=np.array(columns["natoms"]),
        free=np.concatenate(columns["free"]),
        ids=columns["ids"],
    )


def _chunks(dataset: LmdbDataset, count: int, size: int) -> Iterator[list[Any]]:
    for start in range(0, count, size):
        yield [dataset[index] for index in range(start, min(start + size, count))]


def _plain(number: Any) -> str:
    return str(number.item() if torch.is_tensor(number) else number)  # in OC20 it is a tensor with one number


def _label(sample: Any, keys: tuple[str, ...], lmdb: str | Path) -> Any:
    found = [key for key in keys if key in sample]
    record = f"{lmdb}: record {sample.id}"
    if not found:
        raise UserError(f"{record}: has none of the keys {', '.join(keys)}; an evaluation needs labels")
    if not all(np.array_equal(np.asarray(sample[key]), np.asarray(sample[found[0]])) for key in found):
        raise UserError(f"{record}: {' and '.join(found)} are different labels; remove the wrong one")
    return sample[found[0]]
