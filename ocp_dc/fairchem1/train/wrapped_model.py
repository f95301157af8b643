"""The model of a training run: the weights that are trained, and its wrapper for several ranks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fairchem.core.common import distutils
from torch.nn.parallel import DistributedDataParallel

from ocp_dc.training.trainable import train_only

if TYPE_CHECKING:
    from ocp_dc.fairchem1.trainer import DCTrainer


def settle_model(trainer: DCTrainer) -> None:
    """Freeze all parameters but those of ``optim.trainable``, if the config has it, and wrap the model for its ranks.

    Raises:
        UserError: ``optim.trainable`` is not valid for the model.
    """
    model, chosen = trainer._unwrapped_model, trainer.config["optim"].get("trainable")
    if chosen is not None:
        logging.info(f"optim.trainable: {train_only(model, chosen, 'optim.trainable')} values are trained")
    if distutils.get_world_size() == 1:  # fairchem wraps the model even then, and each step copies gradient buckets
        trainer.model = model
        return
    if chosen is not None:  # the wrapper waits for gradients of what could be trained when it was made
        trainer.model = DistributedDataParallel(model)
    if hasattr(model, "shared_parameters"):  # read by the backward step, and hidden by the wrapper
        trainer.model.shared_parameters = model.shared_parameters
