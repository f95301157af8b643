"""The interactions and outputs of DimeNet++, as functions of their layers: ours, or a host's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.dimenetplusplus_graph import TripletGraph
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn.activate import activate


def output_gates(blocks: Any, rbf: Tensor) -> Sequence[Tensor]:
    """Return lin_rbf of each output block for the radial basis [E, num_radial], [E, hidden_channels] each.

    The weights are transposed in memory: for so few columns their gradients are up to five times faster.
    """
    return (rbf @ torch.cat([block.lin_rbf.weight.t() for block in blocks], dim=1)).chunk(len(blocks), dim=1)


def triplet_filters(blocks: Any, radial: Tensor, harmonics: Tensor, graph: TripletGraph) -> Sequence[Tensor]:
    """Return the reduced spherical basis of the triplets for each interaction block, [N, K, M * D].

    It is lin_sbf1 of radial times harmonics, Σ_l Y_l Σ_n W_(d,ln) radial_(ln), with D = basis_emb_size.

    Args:
        blocks: the layers of the interaction blocks.
        radial: [N * K, S, R], the radial part of the spherical basis, for the incoming edges of each atom.
        harmonics: [N * K, S, M], the angular part.
        graph: edges and triplets.
    """
    if not len(blocks):
        return ()
    weights = torch.stack([block.lin_sbf1.weight for block in blocks])  # [B, D, S * R]
    matrices = weights.flatten(0, 1).unflatten(1, radial.shape[1:]).permute(1, 2, 0)  # [S, R, B * D]
    reduced = torch.bmm(radial.transpose(0, 1), matrices).transpose(0, 1)  # [N * K, S, B * D]
    filters = torch.bmm(harmonics.transpose(1, 2), reduced)  # [N * K, M, B * D]
    filters = filters.unflatten(2, weights.shape[:2]).unflatten(0, graph.incoming.shape)  # [N, K, M, B, D]
    return filters.movedim(3, 0).flatten(3).unbind(0)


def interaction(block: Any, x: Tensor, rbf: Tensor, filters: Tensor, graph: TripletGraph) -> Tensor:
    """Return the new features of the edges, [E, hidden_channels].

    Args:
        block: the layers.
        x: [E, hidden_channels], the features of the edges.
        rbf: [E, num_radial], the radial basis.
        filters: [N, K, M * D], the reduced spherical basis of the triplets.
        graph: edges and triplets.
    """
    from_edge = activate(block.act, block.lin_ji(x))
    gate = rbf @ (block.lin_rbf1.weight.t() @ block.lin_rbf2.weight.t())  # [E, H]
    before = activate(block.act, block.lin_kj(x)) * gate
    before = activate(block.act, block.lin_down(before))  # [E, C], C = int_emb_size
    before = before.index_select(0, graph.incoming.flatten()).unflatten(0, graph.incoming.shape)  # [N, K, C]
    # the sum over k of lin_sbf2(filters) * before: first over k, then over the reduced basis
    sums = torch.bmm(filters.transpose(1, 2), before)  # [N, M * D, C]
    weight = block.lin_sbf2.weight.t()  # [D, C]
    sums = (sums.unflatten(1, (graph.outgoing.shape[1], weight.shape[0])) * weight).sum(2)  # [N, M, C]
    sums = sums.flatten(0, 1).index_select(0, graph.places)  # [E, C]
    h = from_edge + activate(block.act, block.lin_up(sums))
    for layer in block.layers_before_skip:
        h = residual(layer, h)
    h = activate(block.act, block.lin(h)) + x
    for layer in block.layers_after_skip:
        h = residual(layer, h)
    return h


def residual(layer: Any, x: Tensor) -> Tensor:
    """Return the features after two layers and a residual connection."""
    return x + activate(layer.act, layer.lin2(activate(layer.act, layer.lin1(x))))


def output(block: Any, x: Tensor, gate: Tensor, edges: EdgeGraph) -> Tensor:
    """Return a share of each atom's energy, [N, 1], from the features of the edges and their factors, [E, H] each."""
    atoms = scatter_sum(gate * x, edges.target, edges.batch.shape[0])
    atoms = block.lin_up(atoms)
    for layer in block.lins:
        atoms = activate(block.act, layer(atoms))
    return block.lin(atoms)
