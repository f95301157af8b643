"""``ocp-dc evaluate``: predict the structures of an aselmdb, and return them with the labels, in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import count as number
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.frames import Frame
from ocp_dc.evaluation.predictions import Predictions, count_to_predict
from ocp_dc.fairchem2.infer.predictor import Predictor


def predict_labels(
    checkpoint: str | Path,
    data: str | Path,
    batch_size: int = 32,
    cpu: bool = False,
    progress: bool = True,
    first_n: int | None = None,
    trust_modules: Sequence[str] = (),
) -> Predictions:
    """Return the predictions of a checkpoint for the structures of an aselmdb, with their labels in float64.

    Args:
        checkpoint: an inference checkpoint of ocp_dc or fairchem.
        data: an aselmdb file, or a folder of them.
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
    with AseLmdbReader(data) as reader:
        count = count_to_predict(first_n, len(reader), data)
        predictor = Predictor(checkpoint, cpu, trust_modules)
        if "forces" not in predictor.properties:
            raise UserError(f"checkpoint {checkpoint}: predicts {', '.join(predictor.properties)}, but no forces")
        frames: list[Frame] = []
        energies, forces = [], []
        for start in tqdm(range(0, count, batch_size), disable=None if progress else True, unit="batch"):
            chunk = [reader.frame(index) for index in range(start, min(start + batch_size, count))]
            found = predictor.predict([_atoms(frame) for frame in chunk])
            energies.append(found["energy"])
            forces.append(found["forces"])
            frames += chunk
    return Predictions(
        energy_true=np.array([frame.energy for frame in frames]),
        energy_pred=np.concatenate(energies),
        forces_true=np.concatenate([frame.forces for frame in frames]),
        forces_pred=np.concatenate(forces),
        natoms=np.array([frame.natoms for frame in frames]),
        free=np.concatenate([frame.fixed == 0 for frame in frames]),
        ids=[_name(frame, index) for index, frame in enumerate(frames)],
    )


def _atoms(frame: Frame) -> Atoms:
    return Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc, tags=frame.tags)


def _name(frame: Frame, index: int) -> str:
    return "_".join(str(part) for part in (frame.sid, frame.fid) if part is not None) or str(index)
