"""DeepXDE's points and losses, with the derivatives of each term computed only at the points of that term."""

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
    """The points and losses of ``dde.data.TimePDE``, computed with less work.

    For the equations and for every condition with a derivative, DeepXDE differentiates the fields at all points, then
    discards the rows of the other terms. If the points include 30 % of a data set, most of the work is spent on those
    rows. Here each term has a separate pass through the network; the losses are the same up to rounding.

    Batch normalization takes its statistics over all points, so networks with it use DeepXDE's own losses.
    """

    @functools.cached_property
    def parts(self) -> list[np.ndarray]:
        """The points of each condition, then those of the equations, `[n, d]` each.

        They are kept alive because DeepXDE caches results for an array under the id of the array.
        """
        return np.split(self.train_x, np.cumsum(self.num_bcs))

    @functools.cached_property
    def tensors(self) -> list[torch.Tensor]:
        """The same points as tensors on the device of the training run."""
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
        """Return the losses in DeepXDE's order, equations then conditions; overrides DeepXDE's method.

        Args:
            targets: None.
            outputs: `[N, fields]`, the outputs at all points.
            loss_fn: one function for each loss.
            inputs: `[N, d]`, the coordinates of all points.
            model: the ``dde.Model``.
            aux: None.
        """
        if takes_batch_statistics(model.net):
            return super().losses(targets, outputs, loss_fn, inputs, model, aux)
        *others, domain = (part.detach().requires_grad_() for part in self.tensors)
        errors = list(self.pde(domain, model.net(domain)))  # `[n, 1]` each
        for condition, part, x in zip(self.bcs, self.parts, others, strict=False):  # the last part is the domain
            errors.append(condition.error(part, x, model.net(x), 0, len(x)))
        return [loss(torch.zeros_like(error), error) for loss, error in zip(loss_fn, errors, strict=True)]


def takes_batch_statistics(net: nn.Module) -> bool:
    """Return whether batch normalization makes the output at one point depend on the other points during training.

    Derivatives with respect to x then include the change of the batch statistics. Training fits the equations with
    these derivatives; the saved network has constant statistics and need not satisfy the equations.
    """
    return any(type(module).__name__ in BATCH_NORM_NAMES for module in net.modules())
