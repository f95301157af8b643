"""Predict structures that may have labels, for an evaluation; the same for both hosts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame, FrameSource
from ocp_dc.evaluation.batches import batches
from ocp_dc.evaluation.predictions import Predictions, count_to_predict
from ocp_dc.evaluation.predictor import Predictor

NO_STRESS = np.full(6, np.nan)


def predict_labels(
    predictor: Predictor,
    source: FrameSource,
    batch_size: int = 32,
    progress: bool = True,
    first_n: int | None = None,
) -> Predictions:
    """Return the predictions of a checkpoint for structures, with their labels in float64.

    Args:
        predictor: the checkpoint, or an ensemble of them.
        source: the structures; labels that are missing are NaN.
        batch_size: structures per evaluation of the network; fewer where they are large, see
            :func:`ocp_dc.evaluation.batches.batches`.
        progress: show a progress bar.
        first_n: predict only the first ``first_n`` structures; None for all.

    Raises:
        UserError: the checkpoint predicts no forces, a structure is not valid or only some have labels, ``batch_size``
            is below 1, or ``first_n`` is below 1 or above the number of structures.
    """
    count = count_to_predict(first_n, len(source), source.name)
    if "forces" not in predictor.properties:
        raise UserError(f"the checkpoint predicts {', '.join(predictor.properties)}, but not forces")
    names = ("energy", "forces", "stress", "natoms", "free", "ids", "numbers", "config_types")
    labels: dict[str, list] = {name: [] for name in names}
    found: dict[str, list[np.ndarray]] = {}
    with tqdm(total=count, disable=None if progress else True, unit="structure") as bar:
        for chunk in batches(_frames(source, count), lambda pair: pair[1].natoms, batch_size):
            for name, values in predictor.predict([frame_atoms(frame) for _, frame in chunk]).items():
                found.setdefault(name, []).append(values)
            for index, frame in chunk:
                labels["energy"].append(frame.energy)
                labels["forces"].append(frame.forces)
                labels["stress"].append(NO_STRESS if frame.stress is None else frame.stress)
                labels["natoms"].append(frame.natoms)
                labels["free"].append(frame.fixed == 0)
                labels["ids"].append(frame_id(frame, index))
                labels["numbers"].append(frame.numbers)
                labels["config_types"].append(frame.config_type or "")
            bar.update(len(chunk))
    predicted = {name: np.concatenate(parts) for name, parts in found.items()}
    stress_true = np.array(labels["stress"])  # [B, 6]
    return Predictions(
        energy_true=np.array(labels["energy"]),
        energy_pred=predicted["energy"],
        forces_true=np.concatenate(labels["forces"]),
        forces_pred=predicted["forces"],
        natoms=np.array(labels["natoms"]),
        free=np.concatenate(labels["free"]),
        ids=labels["ids"],
        stress_true=None if np.isnan(stress_true).all() else stress_true,
        stress_pred=predicted.get("stress"),
        energy_std=predicted.get("energy_std"),
        forces_std=predicted.get("forces_std"),
        numbers=np.concatenate(labels["numbers"]),
        config_types=labels["config_types"] if any(labels["config_types"]) else None,
    )


def frame_atoms(frame: Frame) -> Atoms:
    """Return the structure of a frame as ase's atoms, without labels."""
    return Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)


def frame_id(frame: Frame, index: int) -> str:
    """Return the name of a frame: its system and its number in it, or else its index in the source."""
    return str(index) if frame.sid is None else f"{frame.sid}_{frame.fid}"


def _frames(source: FrameSource, count: int) -> Iterator[tuple[int, Frame]]:
    return ((index, source[index]) for index in range(count))
