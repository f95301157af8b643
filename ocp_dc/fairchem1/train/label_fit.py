"""Fit label rescaling on a training set: once, on the first rank, with the same numbers for every rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from fairchem.core.common import distutils
from tqdm import tqdm

from ocp_dc.core.verbosity import bars_disabled
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME, iterate_labels
from ocp_dc.labels import LabelOptions, LabelRescaling, fit, needs_data


def label_options(config: Mapping[str, Any]) -> LabelOptions | None:
    """Return the options of label rescaling in a config; None without any."""
    block = (config["dataset"].get("transforms") or {}).get(TRANSFORM_NAME)
    return None if block is None else LabelOptions.from_block(block, f"dataset.train.transforms.{TRANSFORM_NAME}")


def fit_label_rescaling(dataset: Any, options: LabelOptions, device: torch.device) -> LabelRescaling:
    """Return the label rescaling with the center and the scale of a training set.

    Args:
        dataset: the training set, a fairchem dataset.
        options: which numbers are fitted, and which are given.
        device: the device on which ranks exchange numbers.
    """
    fitted: list[Any] = [None]
    if distutils.is_master():
        labels: Any = ()
        if needs_data(options):
            title = "fitting label rescaling"
            labels = tqdm(iterate_labels(dataset), total=len(dataset), desc=title, disable=bars_disabled(), leave=False)
        fitted = [fit(options, labels).state_dict()]
    distutils.broadcast_object_list(fitted, src=0, device=device)
    return LabelRescaling.from_state_dict(fitted[0])
