"""How a training run goes on from a checkpoint."""

from __future__ import annotations

import dataclasses

from ocp_dc.training.extension import Extension


@dataclasses.dataclass(frozen=True)
class Resume:
    """Settings for resuming from a checkpoint.

    Args:
        steps_per_epoch: steps per epoch of this run, which may differ from the checkpoint's if ranks or batch size do;
            None to keep the checkpoint's step.
        keep_settings: keep this run's settings of optimizer, schedule and averages, and load only moments and
            averages from the checkpoint; if False, the checkpoint's settings are used.
        saved_optimizer: the class of the checkpoint's optimizer in torch.optim.
        extension: the extension of a finished run by more epochs; None without one.
        total_steps: the steps of the whole run, which an extension needs.
    """

    steps_per_epoch: int | None = None
    keep_settings: bool = False
    saved_optimizer: str = "AdamW"
    extension: Extension | None = None
    total_steps: int = 0
