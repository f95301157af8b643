"""The parts of GemNet-dT, with the names, and the random draws, that they have in fairchem 1.10.

They hold parameters; :mod:`ocp_dc.models.gemnet_t` computes with them, and with fairchem's in the same way.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.models.elements import SYMBOLS


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of the blocks, and their activation; arguments of :class:`ocp_dc.models.gemnet_t.GemNetT`."""

    emb_size_atom: int
    emb_size_edge: int
    emb_size_trip: int
    emb_size_rbf: int
    emb_size_cbf: int
    emb_size_bil_trip: int
    num_before_skip: int
    num_after_skip: int
    num_concat: int
    num_atom: int
    activation: str


class ScaledSiLU(nn.Module):
    """SiLU(x) / 0.6, which keeps the variance of a normal input near 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale_factor = 1 / 0.6
        self._activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``."""
        return self._activation(x) * self.scale_factor


class SiQU(nn.Module):
    """x SiLU(x)."""

    def __init__(self) -> None:
        super().__init__()
        self._activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of ``x``."""
        return x * self._activation(x)


class ScaleFactor(nn.Module):
    """A factor that keeps the variance of features; fitted before training, and 0, which means 1, until then.

    Attributes:
        name: its name in scale files; None for its path in the model.
    """

    name: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.scale_factor = nn.Parameter(torch.tensor(0.0), requires_grad=False)


class Dense(nn.Module):
    """A linear layer without bias, and an activation.

    Args:
        in_features: features of the input.
        out_features: features of the output.
        activation: swish, silu (the same) or siqu; None for none.
    """

    def __init__(self, in_features: int, out_features: int, activation: str | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        he_orthogonal_(self.linear.weight)
        self._activation = _activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return [M, out_features] for ``x`` [M, in_features]."""
        return self._activation(self.linear(x))


class ResidualLayer(nn.Module):
    """(x + f(x)) / √2, where f is two dense layers.

    Args:
        units: the number of features.
        activation: see :class:`Dense`.
    """

    def __init__(self, units: int, activation: str | None) -> None:
        super().__init__()
        self.dense_mlp = nn.Sequential(*(Dense(units, units, activation) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """Return [M, units] for ``x`` [M, units]."""
        return (x + self.dense_mlp(x)) * (1 / math.sqrt(2))


class AtomEmbedding(nn.Module):
    """Features of the elements; row Z - 1 of ``embeddings`` is that of atomic number Z."""

    def __init__(self, emb_size: int, num_elements: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(num_elements, emb_size)
        nn.init.uniform_(self.embeddings.weight, -math.sqrt(3), math.sqrt(3))

    def check(self, numbers: Tensor) -> None:
        """Refuse elements beyond the largest atomic number; raises UserError."""
        known = self.embeddings.num_embeddings
        unknown = numbers[numbers > known].unique().tolist()
        if unknown:
            names = ", ".join(SYMBOLS[number] for number in unknown)
            raise UserError(f"the model has no features for {names}; raise model.num_elements, which is {known}")


class EdgeEmbedding(nn.Module):
    """A dense layer on the features of both atoms of an edge and of the edge."""

    def __init__(self, atom_features: int, edge_features: int, out_features: int, activation: str) -> None:
        super().__init__()
        self.dense = Dense(2 * atom_features + edge_features, out_features, activation)


class DownProjection(nn.Module):
    """Weights from the bases of distance and angle to ``emb_size`` features of a triplet."""

    def __init__(self, num_spherical: int, num_radial: int, emb_size: int) -> None:
        super().__init__()
        self.num_spherical = num_spherical
        self.weight = nn.Parameter(torch.empty(num_spherical, num_radial, emb_size))
        he_orthogonal_(self.weight)


class Bilinear(nn.Module):
    """Weights from ``emb_size`` features of an edge and ``emb_size_interm`` of a triplet to ``units_out``."""

    def __init__(self, emb_size: int, emb_size_interm: int, units_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(emb_size, emb_size_interm, units_out))
        he_orthogonal_(self.weight)


class AtomUpdateBlock(nn.Module):
    """From the edges that end at an atom to features of the atom."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dense_rbf = Dense(sizes.emb_size_rbf, sizes.emb_size_edge)
        self.scale_sum = ScaleFactor()
        first = Dense(sizes.emb_size_edge, sizes.emb_size_atom, sizes.activation)
        self.layers = nn.ModuleList([first, *_residuals(sizes.num_atom, sizes.emb_size_atom, sizes.activation)])


class OutputBlock(AtomUpdateBlock):
    """From the edges that end at an atom to its energy."""

    def __init__(self, sizes: Sizes, output_init: str) -> None:
        super().__init__(sizes)
        self.seq_energy = self.layers  # both names are in fairchem's checkpoints
        self.out_energy = Dense(sizes.emb_size_atom, 1)
        initializers: dict[str, Any] = {"heorthogonal": he_orthogonal_, "zeros": nn.init.zeros_}
        if output_init.lower() not in initializers:
            raise UserError(f"model.output_init: got {output_init!r}, expected HeOrthogonal or zeros")
        initializers[output_init.lower()](self.out_energy.linear.weight)


class TripletInteraction(nn.Module):
    """Messages to an edge from the other edges that end at the same atom."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        edge, activation = sizes.emb_size_edge, sizes.activation
        self.dense_ba = Dense(edge, edge, activation)
        self.mlp_rbf = Dense(sizes.emb_size_rbf, edge)
        self.scale_rbf = ScaleFactor()
        self.mlp_cbf = Bilinear(sizes.emb_size_trip, sizes.emb_size_cbf, sizes.emb_size_bil_trip)
        self.scale_cbf_sum = ScaleFactor()
        self.down_projection = Dense(edge, sizes.emb_size_trip, activation)
        self.up_projection_ca = Dense(sizes.emb_size_bil_trip, edge, activation)
        self.up_projection_ac = Dense(sizes.emb_size_bil_trip, edge, activation)


class InteractionBlock(nn.Module):
    """An update of the edges by triplets, of the atoms by edges, and of the edges by atoms."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        edge, activation = sizes.emb_size_edge, sizes.activation
        self.dense_ca = Dense(edge, edge, activation)
        self.trip_interaction = TripletInteraction(sizes)
        self.layers_before_skip = nn.ModuleList(_residuals(sizes.num_before_skip, edge, activation))
        self.layers_after_skip = nn.ModuleList(_residuals(sizes.num_after_skip, edge, activation))
        self.atom_update = AtomUpdateBlock(sizes)
        self.concat_layer = EdgeEmbedding(sizes.emb_size_atom, edge, edge, activation)
        self.residual_m = nn.ModuleList(_residuals(sizes.num_concat, edge, activation))


def he_orthogonal_(weight: Tensor) -> Tensor:
    """Fill a weight with a random orthogonal matrix, standardized to mean 0 and variance 1 / fan_in, and return it.

    A matrix [out, in] is standardized row by row; a tensor [A, B, out] over its first two dimensions, of fan_in A B.
    """
    nn.init.orthogonal_(weight)
    dims, fan_in = ((0, 1), weight.shape[0] * weight.shape[1]) if weight.dim() == 3 else ((1,), weight.shape[1])
    with torch.no_grad():
        variance, mean = torch.var_mean(weight, dim=dims, unbiased=True, keepdim=True)
        weight.copy_((weight - mean) / (variance + 1e-6) ** 0.5).mul_((1 / fan_in) ** 0.5)
    return weight


def _residuals(count: int, units: int, activation: str) -> list[ResidualLayer]:
    return [ResidualLayer(units, activation) for _ in range(count)]


def _activation(name: str | None) -> nn.Module:
    if name is None:
        return nn.Identity()
    choices = {"swish": ScaledSiLU, "silu": ScaledSiLU, "siqu": SiQU}
    if name.lower() not in choices:
        raise UserError(f"model.activation: got {name!r}, expected swish, silu or siqu.{nearest(name, choices)}")
    return choices[name.lower()]()
