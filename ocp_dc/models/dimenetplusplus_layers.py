"""The parts of DimeNet++: parameters with the names and the initial values of fairchem 1.10's and torch_geometric's.

They have no forward pass; :class:`ocp_dc.models.dimenetplusplus.DimeNetPlusPlusPotential` computes with them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

ELEMENTS = 95  # rows of the embedding, for the atomic numbers 0 to 94


class Envelope:
    """The order of the polynomial envelope.

    Args:
        exponent: the ``envelope_exponent``; the order is one more.
    """

    def __init__(self, exponent: int) -> None:
        self.p = exponent + 1


class BesselBasis(nn.Module):
    """The frequencies of the radial basis.

    Args:
        num_radial: the number of functions.
        cutoff: the cutoff, in Å.
        envelope_exponent: the exponent of the envelope.
    """

    def __init__(self, num_radial: int, cutoff: float, envelope_exponent: int) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.envelope = Envelope(envelope_exponent)
        self.freq = nn.Parameter(torch.arange(1, num_radial + 1, dtype=torch.get_default_dtype()) * math.pi)


class SphericalBasis:
    """The sizes of the spherical basis.

    Args:
        num_spherical: the number of orders.
        num_radial: the number of radial functions of each order.
    """

    def __init__(self, num_spherical: int, num_radial: int) -> None:
        self.num_spherical = num_spherical
        self.num_radial = num_radial


class Embedding(nn.Module):
    """The first features of the edges, from the elements of both atoms and the distance."""

    def __init__(self, num_radial: int, hidden: int, act: nn.Module) -> None:
        super().__init__()
        self.act = act
        self.emb = nn.Embedding(ELEMENTS, hidden)
        self.lin_rbf = nn.Linear(num_radial, hidden)
        self.lin = nn.Linear(3 * hidden, hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values."""
        self.emb.weight.data.uniform_(-math.sqrt(3), math.sqrt(3))
        self.lin_rbf.reset_parameters()
        self.lin.reset_parameters()


class Residual(nn.Module):
    """Two layers of a residual connection."""

    def __init__(self, hidden: int, act: nn.Module) -> None:
        super().__init__()
        self.act = act
        self.lin1 = nn.Linear(hidden, hidden)
        self.lin2 = nn.Linear(hidden, hidden)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values."""
        orthogonal(self.lin1)
        orthogonal(self.lin2)


class Interaction(nn.Module):
    """The layers that update the features of the edges from those of the edges before them."""

    def __init__(
        self,
        hidden: int,
        int_emb_size: int,
        basis_emb_size: int,
        num_spherical: int,
        num_radial: int,
        num_before_skip: int,
        num_after_skip: int,
        act: nn.Module,
    ) -> None:
        super().__init__()
        self.act = act
        self.lin_rbf1 = nn.Linear(num_radial, basis_emb_size, bias=False)
        self.lin_rbf2 = nn.Linear(basis_emb_size, hidden, bias=False)
        self.lin_sbf1 = nn.Linear(num_spherical * num_radial, basis_emb_size, bias=False)
        self.lin_sbf2 = nn.Linear(basis_emb_size, int_emb_size, bias=False)
        self.lin_kj = nn.Linear(hidden, hidden)
        self.lin_ji = nn.Linear(hidden, hidden)
        self.lin_down = nn.Linear(hidden, int_emb_size, bias=False)
        self.lin_up = nn.Linear(int_emb_size, hidden, bias=False)
        self.layers_before_skip = nn.ModuleList(Residual(hidden, act) for _ in range(num_before_skip))
        self.lin = nn.Linear(hidden, hidden)
        self.layers_after_skip = nn.ModuleList(Residual(hidden, act) for _ in range(num_after_skip))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values."""
        bases = (self.lin_rbf1, self.lin_rbf2, self.lin_sbf1, self.lin_sbf2)
        for layer in (*bases, self.lin_kj, self.lin_ji, self.lin_down, self.lin_up):
            orthogonal(layer)
        self.layers_before_skip.apply(_reset_residual)
        orthogonal(self.lin)
        self.layers_after_skip.apply(_reset_residual)


class Output(nn.Module):
    """The layers that turn the features of the edges into a share of each atom's energy."""

    def __init__(self, num_radial: int, hidden: int, out_emb_channels: int, num_layers: int, act: nn.Module) -> None:
        super().__init__()
        self.act = act
        self.lin_rbf = nn.Linear(num_radial, hidden, bias=False)
        self.lin_up = nn.Linear(hidden, out_emb_channels)
        self.lins = nn.ModuleList(nn.Linear(out_emb_channels, out_emb_channels) for _ in range(num_layers))
        self.lin = nn.Linear(out_emb_channels, 1, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values; the last layer begins at zero, and the bias of ``lin_up`` is not drawn again."""
        orthogonal(self.lin_rbf)
        orthogonal_(self.lin_up.weight)
        for layer in self.lins:
            orthogonal(layer)
        self.lin.weight.data.fill_(0)


def _reset_residual(module: nn.Module) -> None:
    if isinstance(module, Residual):
        module.reset_parameters()


def orthogonal(layer: Any) -> None:
    """Draw a random orthogonal weight with the variance of Glorot and Bengio's, and set the bias to zero."""
    orthogonal_(layer.weight)
    if layer.bias is not None:
        layer.bias.data.fill_(0)


def orthogonal_(weight: Tensor, scale: float = 2.0) -> None:
    """Fill a weight [O, I] with a random orthogonal matrix of the variance scale / (O + I)."""
    nn.init.orthogonal_(weight.data)
    weight.data *= (scale / (sum(weight.shape) * weight.data.var())).sqrt()
