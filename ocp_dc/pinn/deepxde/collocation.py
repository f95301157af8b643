"""DeepXDE's points and losses, with the derivatives of each term taken at the points of that term alone."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ocp_dc.pinn.deepxde.backend import dde
from ocp_dc.pinn.physics.losses import Loss
from ocp_dc.surgery.norms import BATCH_NORM_NAMES


class Collocation(dde.data.TimePDE):
    """The points of ``dde.data.TimePDE``, and its losses with less work.

    DeepXDE differentiates the fields at all points for the equations and for every condition with a derivative, then
    drops the rows of the other terms. Where 30 % of a data set are points, those rows are most of the work. Here each
    term has a separate pass through the network, and the numbers are the same up to rounding.

    A network with batch normalization takes its statistics over all points together, so DeepXDE's losses stay there.
    """

    @functools.cached_property
    def parts(self) -> list[np.ndarray]:
        """Return the points of each condition, and last those of the equations: [n, coordinates] each.

        They are kept because DeepXDE caches what it computes from an array under the array's id.
        """
        return np.split(self.train_x, np.cumsum(self.num_bcs))

    @functools.cached_property
    def tensors(self) -> list[torch.Tensor]:
        """Return the same on the device of the training run."""
        return [torch.as_tensor(part) for part in self.parts]

    def losses(
        self,
        targets: torch.Tensor | None,
        outputs: torch.Tensor,
        loss_fn: Sequence[Loss],
        inputs: torch.Tensor,
        model: Any,
        aux: Any = None,
    ) -> list[torch.Tensor]:
        """Return the losses in DeepXDE's order: equations, conditions; the arguments are DeepXDE's.

        Args:
            targets: None.
            outputs: [N, fields] at all points.
            loss_fn: one for each loss.
            inputs: [N, coordinates] of all points.
            model: the ``dde.Model``.
            aux: None.
        """
        if takes_batch_statistics(model.net):
            return super().losses(targets, outputs, loss_fn, inputs, model, aux)
        *others, domain = (part.detach().requires_grad_() for part in self.tensors)
        errors = list(self.pde(domain, model.net(domain)))  # [n, 1] each
        for condition, part, x in zip(self.bcs, self.parts, others, strict=False):  # the last part is the domain
            errors.append(condition.error(part, x, model.net(x), 0, len(x)))
        return [loss(torch.zeros_like(error), error) for loss, error in zip(loss_fn, errors, strict=True)]


def takes_batch_statistics(net: nn.Module) -> bool:
    """Tell whether the output at one point depends on the other points while training, by batch normalization.

    A derivative by x then includes the change of the statistics. The equations are trained to hold for that derivative;
    for the network that is kept, whose statistics are constant, they need not hold.
    """
    return any(type(module).__name__ in BATCH_NORM_NAMES for module in net.modules())
