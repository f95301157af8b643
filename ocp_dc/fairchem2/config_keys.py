"""The top-level keys of ``configs/fairchem2/_base.yaml`` that a user sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.numbers import Number, count
from ocp_dc.core.options import option
from ocp_dc.labels.options import LabelOptions


@dataclasses.dataclass(frozen=True)
class RunKeys:
    """The keys with their defaults in that file, which a test compares; None for a block."""

    data_dir: str = option("data/ethanol", help="the folder that `ocp-dc prepare SRC DIR` made")
    sources: Mapping[str, Any] | None = option(
        None, help="train, val and test: files or folders of structures; by default those in data_dir"
    )
    reading: Mapping[str, Any] | None = option(
        None, help="units and names of labels in files that are not aselmdb, such as energy_key"
    )
    epochs: int = option(30, help="passes over the training set", number=count(nullable=False))
    seed: int = option(0, help="of the weights and the order of the data", number=count(0, 2**32 - 1, nullable=False))
    batch_size: int = option(20, help="structures in a batch, on each rank", number=count(nullable=False))
    eval_batch_size: int = option(100, help="structures in a batch of a validation", number=count(nullable=False))
    lr: float = option(1.0e-3, help="the highest learning rate", number=Number(0, above=True, nullable=False))
    clip_grad_norm: float | None = option(
        None, help="the largest norm of the gradient; null for no limit", number=Number(0, above=True)
    )
    checkpoint_every_n_steps: int = option(1000, help="steps from one checkpoint to the next", number=count())
    primary_metric: str = option(
        "loss", help="the metric of the validation that selects results/best_inference_ckpt.pt, such as forces_mae"
    )
    patience: int | None = option(
        None, help="validations without an improvement after which the run ends", number=count()
    )
    ema_decay: float | None = option(
        0.9, help="of the average of the weights, which is validated; null for none", number=Number(0, 1, below=True)
    )
    label_rescaling: Mapping[str, Any] | None = option(
        None,
        help="fitted to sources.train when a run starts: energies are centered, and energies and forces divided",
        block=LabelOptions,
    )
    keep_in_memory: bool = option(True, help="read each structure once; false for data larger than the memory")
    energy_coefficient: float = option(1, help="the weight of the energy in the loss", number=Number(0, nullable=False))
    forces_coefficient: float = option(
        30, help="the weight of the forces in the loss", number=Number(0, nullable=False)
    )
