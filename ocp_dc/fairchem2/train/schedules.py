"""Learning-rate schedules for ``cosine_lr_scheduler_fn`` of fairchem 2's training unit, which takes any schedule."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from ocp_dc.core.numbers import whole_number


def one_cycle(n_iters_per_epoch: int, optimizer: Optimizer, epochs: int) -> OneCycleLR:
    """Return torch's OneCycleLR over all epochs, whose highest rate is the optimizer's.

    Args:
        n_iters_per_epoch: the steps of an epoch; fairchem fills it in.
        optimizer: the optimizer; fairchem fills it in.
        epochs: the epochs of the run.

    Raises:
        UserError: ``epochs`` is not a whole number of at least 1.
    """
    whole_number("epochs", epochs)
    rates = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=rates, total_steps=n_iters_per_epoch * epochs)
