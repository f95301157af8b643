"""Input features: properties of elements, and numbers expanded in Gaussians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models.elements import SYMBOLS


class ElementTable(nn.Module):
    """Properties of elements by atomic number; has no parameters and no entry in the state dict.

    Args:
        rows: atomic number -> properties, the same number for each element; NaN for an unknown property.
        unit_range: whether to scale each property to [0, 1], over the elements whose properties are all known.
    """

    rows: Tensor
    known: Tensor

    def __init__(self, rows: Mapping[int, Sequence[float]], *, unit_range: bool = False) -> None:
        super().__init__()
        unknown = [math.nan] * len(rows[1])
        table = torch.tensor([rows.get(number, unknown) for number in range(len(SYMBOLS))], dtype=torch.float32)
        known = ~table.isnan().any(dim=1)  # [119]
        if unit_range:
            low, high = table[known].amin(dim=0), table[known].amax(dim=0)
            table = (table - low) / (high - low)
        self.register_buffer("rows", table, persistent=False)
        self.register_buffer("known", known, persistent=False)

    @property
    def width(self) -> int:
        """The number of properties."""
        return self.rows.shape[1]

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the properties [N, width] of the atomic numbers, int64 [N]."""
        return self.rows.index_select(0, numbers)

    def check(self, numbers: Tensor) -> None:
        """Refuse elements with an unknown property.

        Raises:
            UserError: there are such elements; the message names them.
        """
        unknown = numbers[~self.known[numbers]].unique().tolist()
        if unknown:
            names = ", ".join(SYMBOLS[number] for number in unknown)
            raise UserError(
                f"the model's table of elements has no entry, or an incomplete one, for {names}; leave structures with "
                "them out, or take a model that learns its elements, such as dc_schnet"
            )


class GaussianBasis(nn.Module):
    """Expand numbers in Gaussians exp(-(x - μ)² / 2Δ²), whose centers μ are Δ apart.

    Args:
        start: the first center.
        stop: the last center.
        count: the number of Gaussians, at least 2.
    """

    offset: Tensor

    def __init__(self, start: float, stop: float, count: int) -> None:
        super().__init__()
        self.coefficient = -0.5 * ((count - 1) / (stop - start)) ** 2
        self.register_buffer("offset", torch.linspace(start, stop, count))

    def forward(self, x: Tensor) -> Tensor:
        """Return [M, K * count] for ``x`` [M, K], the center varying fastest."""
        distances = x[:, :, None] - self.offset  # [M, K, count]
        return torch.exp(self.coefficient * distances.square()).flatten(1)
