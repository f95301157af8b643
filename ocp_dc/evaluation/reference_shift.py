"""Differences of reference energies between a checkpoint and other data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ocp_dc.data.frames import FrameSource
from ocp_dc.evaluation.batches import batches
from ocp_dc.evaluation.predict import frame_atoms
from ocp_dc.evaluation.predictor import Predictor
from ocp_dc.labels import LabelOptions, Labels, fit

BATCH = 32  # structures that are predicted at once, at most


def no_shift(structures: FrameSource) -> Tensor:
    """Return zeros for the elements of structures, float64 [Z_max + 1]; NaN for the others."""
    elements = np.unique(np.concatenate([structures[index].numbers for index in range(len(structures))]))
    shift = torch.full((int(elements.max()) + 1,), torch.nan, dtype=torch.float64)
    shift[elements] = 0.0
    return shift


def fitted_shift(predictor: Predictor, structures: FrameSource) -> Tensor:
    """Return what reference energies must be shifted by, so that predictions fit the labels of other data.

    Args:
        predictor: the checkpoint, which must have a reference for each element.
        structures: the training data, with labels.

    Returns:
        per element the minimum-norm least-squares fit to the differences of labels and predictions, in eV, float64
        [Z_max + 1]; NaN for elements that the structures do not have.
    """
    references = fit(LabelOptions(center="composition"), _differences(predictor, structures)).references
    assert references is not None
    return references


def _differences(predictor: Predictor, structures: FrameSource) -> Iterator[Labels]:
    """Yield the atomic numbers of each structure, and its energy minus the predicted one."""
    with tqdm(total=len(structures), desc="fitting reference energies", unit="structure", disable=None) as bar:
        frames = (structures[index] for index in range(len(structures)))
        for chunk in batches(frames, lambda frame: frame.natoms, BATCH):
            predicted = predictor.predict([frame_atoms(frame) for frame in chunk])["energy"]
            for frame, energy in zip(chunk, predicted, strict=True):
                yield frame.numbers, float(frame.energy - energy), np.zeros((0, 3))
            bar.update(len(chunk))
