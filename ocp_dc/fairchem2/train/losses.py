"""Losses that fairchem 2 lacks, for its ``DDPMTLoss``, which takes the mean over atoms."""

from __future__ import annotations

from torch import Tensor, nn


class ForceMAELoss(nn.Module):
    """The mean absolute error of the force components, as fairchem 1.10's loss ``mae``.

    fairchem 2's own ``MAELoss`` returns an error per component, which ``DDPMTLoss`` cannot mask.
    """

    def forward(self, pred: Tensor, target: Tensor, natoms: Tensor) -> Tensor:
        """Return the mean over the components of each atom, [N].

        Args:
            pred: [N, 3], predicted forces on scaled labels.
            target: [N, 3], labels.
            natoms: int64 [B]; not used.
        """
        return (pred - target).abs().mean(dim=-1)
