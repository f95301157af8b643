"""The module that replaces an activation to insert a norm and dropout after it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.core.errors import UserError
from ocp_dc.surgery.options import PATH


class RegularizedActivation(nn.Module):
    """An activation, then an optional norm and dropout: ``dropout(norm(activation(x)))``.

    In training mode the norm uses the statistics of the batch, and dropout draws a mask at each call; energy and
    forces of a forward pass use the same statistics and masks. In evaluation mode the norm uses its running statistics,
    and nothing is dropped.

    Args:
        activation: the original activation: a module or a plain callable.
        norm: the norm; None for no norm.
        dropout: the probability that a feature is set to zero, in [0, 1).
        path: the key of the ``dc:`` block in the config, for messages.
    """

    def __init__(
        self,
        activation: Callable[[torch.Tensor], torch.Tensor],
        norm: nn.BatchNorm1d | None,
        dropout: float,
        path: str = PATH,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.norm = norm
        self.dropout = dropout
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features, with the shape of ``x``; with a norm it must be [N, width].

        Raises:
            UserError: a norm in training mode gets a single row, which has no variance.
        """
        x = self.activation(x)
        if self.norm is not None:
            if self.training and len(x) < 2:
                raise UserError(
                    f"{self.path}.insert_norm: a batch brings {len(x)} row(s) of {self.norm.num_features} features to "
                    "a BatchNorm1d, which needs two or more to train; if features belong to structures, choose the "
                    "batch size so that no batch, the last one included, holds a single structure"
                )
            x = self.norm(x)
        return F.dropout(x, self.dropout, self.training)

    def holds(self, norm: nn.BatchNorm1d | None, dropout: float) -> bool:
        """Return whether the norm has the width of ``norm``, or both are None, and the dropout is ``dropout``."""
        own, other = (None if n is None else n.num_features for n in (self.norm, norm))
        return own == other and self.dropout == dropout

    def extra_repr(self) -> str:
        """Return the settings for the module's repr."""
        return f"dropout={self.dropout}"
