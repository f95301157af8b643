"""Toy models for the tests of surgery: each holds its activations and norms in another way."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ocp_dc.nn import ShiftedSoftplus
from ocp_dc.surgery import DCOptions, RegionTable, Report, apply_surgery

TABLE = RegionTable(output=(r"^act$",), paper=("",), source="toy")
BLOCKS = 2
# The activations of ToyBlocks, in the order of the model: (first path, aliases).
BLOCK_PATHS = [
    ("act", ()),
    ("interactions.0.act", ()),
    ("interactions.0.mlp.1", ("interactions.0.conv.filter.1",)),
    ("interactions.1.act", ()),
    ("interactions.1.mlp.1", ("interactions.1.conv.filter.1",)),
]


class Conv(nn.Module):
    """Holds the filter that its block holds too."""

    def __init__(self, shared: nn.Sequential) -> None:
        super().__init__()
        self.filter = shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.filter(x)


class Block(nn.Module):
    """An interaction as in SchNet: one filter is reached by ``mlp`` and by ``conv.filter``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, width), ShiftedSoftplus(), nn.Linear(width, width))
        self.conv = Conv(self.mlp)
        self.act = ShiftedSoftplus()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.act(self.conv(x))


class ToyBlocks(nn.Module):
    """Blocks and an output activation, all modules; SchNet's structure."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.interactions = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.lin1 = nn.Linear(width, width)
        self.act = ShiftedSoftplus()
        self.lin2 = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for interaction in self.interactions:
            x = interaction(x)
        return self.lin2(self.act(self.lin1(x)))


class ToyShared(nn.Module):
    """One SiLU object in two places and another one in a third."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.SiLU()
        self.first = nn.Sequential(nn.Linear(2, 2), shared)
        self.second = nn.Sequential(nn.Linear(2, 2), shared)
        self.own = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.own(self.second(self.first(x)))


class ToyCallables(nn.Module):
    """Activations as plain callables, beside callables that are none."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.squash = F.silu
        self.bound = torch.tanh
        self.soft = functools.partial(F.softplus, beta=2.0)
        self.act = lambda x: x * 0.5
        self.reduce = torch.sum
        self.gate = torch.sigmoid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.soft(self.bound(self.squash(self.lin(x)))))
        return self.reduce(x * self.gate(x))


class ToyGated(nn.Module):
    """A sigmoid gate by type, a sigmoid in an ``act`` attribute, and a softplus that a table can call a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.lin = nn.Linear(3, 3)
        self.gate = nn.Sigmoid()
        self.weights = nn.Softmax(dim=-1)
        self.act = torch.sigmoid
        self.envelope = nn.Softplus()
        self.hidden = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.hidden(self.lin(x))
        return x * self.gate(x) * self.weights(x) * self.act(x) * self.envelope(x)


def swap(model: nn.Module, table: RegionTable = TABLE, **block: Any) -> Report:
    """Apply a ``dc:`` block as a config holds it."""
    return apply_surgery(model, DCOptions.from_block(block), table)
