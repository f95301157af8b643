"""The parts of GemNet-OC's blocks, with the names, and the random draws, that they have in fairchem 1.10.

They hold parameters; :mod:`ocp_dc.models.gemnet_oc_interaction` computes with them, and with fairchem's in the same
way.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.models.gemnet_layers import Dense, EdgeEmbedding, ResidualLayer, ScaleFactor, he_orthogonal_


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of the blocks, and their activation; arguments of :class:`ocp_dc.models.gemnet_oc.GemNetOC`."""

    atom: int
    edge: int
    trip_in: int
    trip_out: int
    quad_in: int
    quad_out: int
    aint_in: int
    aint_out: int
    rbf: int
    cbf: int
    sbf: int
    before_skip: int
    after_skip: int
    concat: int
    atom_layers: int
    after_atom: int
    atom_emb_layers: int
    activation: str


class Bilinear(nn.Module):
    """Weights from ``size_in`` features of an edge and ``size_basis`` of a triplet to ``size_out``."""

    def __init__(self, size_in: int, size_basis: int, size_out: int) -> None:
        super().__init__()
        self.bilinear = Dense(size_in * size_basis, size_out)


class TripletInteraction(nn.Module):
    """Messages from edges or atoms to edges or atoms.

    Args:
        size_in: features of the former.
        size_out: features of the latter.
        sizes: further sizes.
        symmetric: whether a message to an edge is also one to its reverse.
    """

    def __init__(self, size_in: int, size_out: int, sizes: Sizes, symmetric: bool = True) -> None:
        super().__init__()
        self.dense_ba = Dense(size_in, size_in, sizes.activation)
        self.mlp_rbf = Dense(sizes.rbf, size_in)
        self.scale_rbf = ScaleFactor()
        self.mlp_cbf = Bilinear(sizes.trip_in, sizes.cbf, sizes.trip_out)
        self.scale_cbf_sum = ScaleFactor()
        self.down_projection = Dense(size_in, sizes.trip_in, sizes.activation)
        self.up_projection_ca = Dense(sizes.trip_out, size_out, sizes.activation)
        if symmetric:
            self.up_projection_ac = Dense(sizes.trip_out, size_out, sizes.activation)


class QuadrupletInteraction(nn.Module):
    """Messages from edges to edges at the other end of an inner edge."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dense_db = Dense(sizes.edge, sizes.edge, sizes.activation)
        self.mlp_rbf = Dense(sizes.rbf, sizes.edge)
        self.scale_rbf = ScaleFactor()
        self.mlp_cbf = Dense(sizes.cbf, sizes.quad_in)
        self.scale_cbf = ScaleFactor()
        self.mlp_sbf = Bilinear(sizes.quad_in, sizes.sbf, sizes.quad_out)
        self.scale_sbf_sum = ScaleFactor()
        self.down_projection = Dense(sizes.edge, sizes.quad_in, sizes.activation)
        self.up_projection_ca = Dense(sizes.quad_out, sizes.edge, sizes.activation)
        self.up_projection_ac = Dense(sizes.quad_out, sizes.edge, sizes.activation)


class PairInteraction(nn.Module):
    """Messages from atoms to atoms."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.bilinear = Dense(sizes.rbf * sizes.aint_in, sizes.aint_out)
        self.scale_rbf_sum = ScaleFactor()
        self.down_projection = Dense(sizes.atom, sizes.aint_in, sizes.activation)
        self.up_projection = Dense(sizes.aint_out, sizes.atom, sizes.activation)


class AtomUpdateBlock(nn.Module):
    """From the edges that end at an atom to features of the atom."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.dense_rbf = Dense(sizes.rbf, sizes.edge)
        self.scale_sum = ScaleFactor()
        first = [] if sizes.edge == sizes.atom else [Dense(sizes.edge, sizes.atom, sizes.activation)]
        self.layers = nn.ModuleList([*first, *residuals(sizes.atom_layers, sizes.atom, sizes.activation)])


class OutputBlock(AtomUpdateBlock):
    """From the edges that end at an atom, and its features, to features for the energy."""

    seq_energy2: nn.ModuleList | None

    def __init__(self, sizes: Sizes) -> None:
        super().__init__(sizes)
        self.seq_energy_pre = self.layers  # both names are in fairchem's checkpoints
        after = residuals(sizes.after_atom, sizes.atom, sizes.activation)
        self.seq_energy2 = nn.ModuleList(after) if after else None


class InteractionBlock(nn.Module):
    """An update of edges and atoms by all interactions, of the atoms by edges, and of the edges by atoms.

    Args:
        sizes: the sizes.
        has: the model, whose attributes say which interactions there are.
    """

    def __init__(self, sizes: Sizes, has: Any) -> None:
        super().__init__()
        edge, atom, activation = sizes.edge, sizes.atom, sizes.activation
        self.dense_ca = Dense(edge, edge, activation)
        self.trip_interaction = TripletInteraction(edge, edge, sizes)
        self.quad_interaction = QuadrupletInteraction(sizes) if has.quad_interaction else None
        self.atom_edge_interaction = TripletInteraction(atom, edge, sizes) if has.atom_edge_interaction else None
        self.edge_atom_interaction = (
            TripletInteraction(edge, atom, sizes, symmetric=False) if has.edge_atom_interaction else None
        )
        self.atom_interaction = PairInteraction(sizes) if has.atom_interaction else None
        self.layers_before_skip = nn.ModuleList(residuals(sizes.before_skip, edge, activation))
        self.layers_after_skip = nn.ModuleList(residuals(sizes.after_skip, edge, activation))
        self.atom_emb_layers = nn.ModuleList(residuals(sizes.atom_emb_layers, atom, activation))
        self.atom_update = AtomUpdateBlock(sizes)
        self.concat_layer = EdgeEmbedding(atom, edge, edge, activation)
        self.residual_m = nn.ModuleList(residuals(sizes.concat, edge, activation))


def residuals(count: int, units: int, activation: str) -> list[ResidualLayer]:
    """Return residual layers."""
    return [ResidualLayer(units, activation) for _ in range(count)]


def initialize(weight: Tensor, name: str) -> None:
    """Fill the weight of a last layer, [out, in].

    Args:
        weight: the weight.
        name: HeOrthogonal, zeros, grid (from -1 to 1) or loggrid (from 1e-4 to 1), in upper or lower case.
    """
    fan_in, lower = weight.shape[1], str(name).lower()
    choices = ("heorthogonal", "zeros", "grid", "loggrid")
    if lower not in choices:
        raise UserError(
            f"model.output_init: got {name!r}, expected one of {', '.join(choices)}.{nearest(lower, choices)}"
        )
    if lower == "heorthogonal":
        he_orthogonal_(weight)
        return
    values = torch.zeros(fan_in)
    if lower == "grid":
        values = torch.linspace(-1, 1, fan_in)
    elif lower == "loggrid":
        values = torch.logspace(-4, 0, fan_in)
    with torch.no_grad():
        weight.copy_(values.expand_as(weight))
