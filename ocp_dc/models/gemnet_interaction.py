"""The interactions and outputs of GemNet-dT, as functions of their parts: ours, or a host's.

Scale factors multiply weights instead of features, and linear layers with the same input are one product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ocp_dc.models.gemnet_graph import GemNetGraph
from ocp_dc.models.scale_observer import observe
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn.activate import activate

INV_SQRT_2 = 1 / math.sqrt(2)


def interact(
    block: Any,
    h: Tensor,
    m: Tensor,
    triplets: Tensor,
    message_gate: Tensor,
    update_gate: Tensor,
    graph: GemNetGraph,
) -> tuple[Tensor, Tensor]:
    """Return the features of atoms and edges after an interaction.

    Args:
        block: the interaction.
        h: [N, emb_size_atom], features of the atoms.
        m: [2P, emb_size_edge], features of the edges.
        triplets: [N, K, K * emb_size_cbf], the basis of the triplets.
        message_gate: [P, emb_size_edge], the factor of the messages.
        update_gate: [P, emb_size_edge], the factor in the update of the atoms.
        graph: the graph.
    """
    part = block.trip_interaction
    skip, messages = dense_layers(m, block.dense_ca, part.dense_ba)
    products = gated(messages, message_gate)
    observe(part.scale_rbf, products, messages)
    messages = dense(part.down_projection, products)  # [2P, emb_size_trip]
    from_c, from_a = dense_layers(
        _sum_triplets(part, messages, triplets, graph), part.up_projection_ca, part.up_projection_ac
    )
    x = torch.add(skip, from_c + reverse(from_a), alpha=INV_SQRT_2) * INV_SQRT_2
    for layer in block.layers_before_skip:
        x = residual(layer, x)
    m = (m + x) * INV_SQRT_2
    for layer in block.layers_after_skip:
        m = residual(layer, m)
    h = (h + from_edges(block.atom_update, m, update_gate, graph, h.shape[0])) * INV_SQRT_2
    node_weight, edge_weight = concat_weights(block.concat_layer, h)
    x = functional.linear(m, edge_weight) + from_atoms(h, node_weight, graph)
    x = activate(block.concat_layer.dense._activation, x)
    for layer in block.residual_m:
        x = residual(layer, x)
    return h, (m + x) * INV_SQRT_2


def _sum_triplets(part: Any, messages: Tensor, triplets: Tensor, graph: GemNetGraph) -> Tensor:
    """Return for each edge c -> a the bilinear form of messages b -> a and the basis, summed over b: [2P, bilinear]."""
    atoms, width = graph.incoming.shape
    weight = part.mlp_cbf.weight  # [emb_size_trip, emb_size_cbf, emb_size_bil_trip]
    padded = messages.index_select(0, graph.incoming.flatten()).view(atoms, width, weight.shape[0])
    sums = torch.bmm(triplets.transpose(1, 2), padded)  # [N, K * emb_size_cbf, emb_size_trip]
    # in two steps, without which inductor's backward pass copies the rows number by number
    sums = sums.unflatten(1, (width, weight.shape[1])).flatten(2).flatten(0, 1)  # [N * K, emb_size_cbf * emb_size_trip]
    scaled = weight.transpose(0, 1).flatten(0, 1) * scale_factors([part.scale_cbf_sum])
    result = (sums @ scaled).index_select(0, graph.slots)
    # each message counts once for each of its triplets
    observe(part.scale_cbf_sum, result, messages, lambda: graph.is_edge.sum(1).index_select(0, graph.target) - 1)
    return result


def output(block: Any, m: Tensor, gate: Tensor, graph: GemNetGraph, atoms: int) -> Tensor:
    """Return the energies of the atoms, [N, 1], from the features of the edges."""
    return block.out_energy.linear(from_edges(block, m, gate, graph, atoms))


def from_edges(block: Any, m: Tensor, gate: Tensor, graph: GemNetGraph, atoms: int) -> Tensor:
    """Return features of the atoms, [N, emb_size_atom], from those of the edges that end at them."""
    x = scatter_sum(gated(m, gate), graph.target, atoms)  # [N, emb_size_edge]
    observe(block.scale_sum, x, m)
    for layer in block.layers:
        x = layer(x)
    return x


def from_atoms(h: Tensor, weight: Tensor, graph: GemNetGraph) -> Tensor:
    """Return the product of a weight [F, 2 * emb_size_atom] and the features of both atoms of each edge, [2P, F]."""
    of_source, of_target = weight.chunk(2, dim=1)
    source, target = linear(h, [of_source, of_target])  # [N, F] each; smaller than [2P, F]
    return source.index_select(0, graph.source) + target.index_select(0, graph.target)


def concat_weights(layer: Any, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of an edge embedding's weight for the features ``h`` of both atoms and for those of edges."""
    weight: Tensor = layer.dense.linear.weight  # [F, 2 * emb_size_atom + features of edges]
    return weight[:, : 2 * h.shape[1]], weight[:, 2 * h.shape[1] :]


def gates(rbf: Tensor, layers: Sequence[Any], factors: Sequence[Any]) -> Sequence[Tensor]:
    """Return for each layer its values, [P, F], times its scale factor; all from one product.

    Args:
        rbf: [P, emb_size_rbf], a projected basis of the distances.
        layers: dense layers without activation.
        factors: the scale factor of each layer's product, or of sums of it.
    """
    weight = torch.stack([layer.linear.weight for layer in layers]) * scale_factors(factors)[:, None, None]
    return functional.linear(rbf, weight.flatten(0, 1)).chunk(len(layers), dim=1)


def scale_factors(factors: Sequence[Any]) -> Tensor:
    """Return the values of scale factors; 1 where one is not fitted."""
    values = torch.stack([factor.scale_factor for factor in factors])
    return torch.where(values == 0, 1, values)


def gated(m: Tensor, gate: Tensor) -> Tensor:
    """Return the features [2P, F] of edges times those [P, F] of their pairs."""
    return (m.unflatten(0, (2, gate.shape[0])) * gate).flatten(0, 1)


def reverse(m: Tensor) -> Tensor:
    """Return for each edge the features [2P, F] of its reverse."""
    return m.unflatten(0, (2, m.shape[0] // 2)).flip(0).flatten(0, 1)


def residual(layer: Any, x: Tensor) -> Tensor:
    """Return (x + f(x)) / √2, where f is two dense layers."""
    first, second = layer.dense_mlp
    return (x + dense(second, dense(first, x))) * INV_SQRT_2


def dense(layer: Any, x: Tensor) -> Tensor:
    """Return the value of a dense layer."""
    return activate(layer._activation, layer.linear(x))


def linear(x: Tensor, weights: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the product of ``x`` and each of several weights, from one product."""
    return functional.linear(x, torch.cat(list(weights))).split([len(weight) for weight in weights], dim=1)


def dense_layers(x: Tensor, *layers: Any) -> list[Tensor]:
    """Return the values of several dense layers at the same input, from one product."""
    products = linear(x, [layer.linear.weight for layer in layers])
    return [activate(layer._activation, product) for layer, product in zip(layers, products, strict=True)]
