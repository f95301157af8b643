"""The interactions and outputs of GemNet-OC, as functions of their parts: ours, or a host's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ocp_dc.models.gemnet_interaction import (
    INV_SQRT_2,
    concat_weights,
    dense,
    dense_layers,
    from_atoms,
    from_edges,
    gated,
    residual,
    reverse,
    scale_factors,
)
from ocp_dc.models.gemnet_oc_bases import Bases, TripletBasis
from ocp_dc.models.gemnet_oc_gates import Gates
from ocp_dc.models.gemnet_oc_graph import GemNetOCGraph, triplets_of_inputs
from ocp_dc.models.scale_observer import is_observed, observe
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn.activate import activate


def interact(
    block: Any, i: int, h: Tensor, m: Tensor, bases: Bases, factors: Gates, graph: GemNetOCGraph
) -> tuple[Tensor, Tensor]:
    """Return the features of atoms and edges after an interaction block.

    Args:
        block: the block.
        i: its number.
        h: [N, emb_size_atom], features of the atoms.
        m: [2P, emb_size_edge], features of the edges.
        bases: the bases.
        factors: the factors of all blocks.
        graph: the graphs.
    """
    x, of_atoms = _messages(block, i, h, m, bases, factors, graph)
    for layer in block.layers_before_skip:
        x = residual(layer, x)
    m = (m + x) * INV_SQRT_2
    for layer in block.layers_after_skip:
        m = residual(layer, m)
    h = of_atoms
    for layer in block.atom_emb_layers:
        h = residual(layer, h)
    h = (h + from_edges(block.atom_update, m, factors.updates[i], graph.main, h.shape[0])) * INV_SQRT_2
    node_weight, edge_weight = concat_weights(block.concat_layer, h)
    x = functional.linear(m, edge_weight) + from_atoms(h, node_weight, graph.main)
    x = activate(block.concat_layer.dense._activation, x)
    for layer in block.residual_m:
        x = residual(layer, x)
    return h, (m + x) * INV_SQRT_2


def output(block: Any, h: Tensor, m: Tensor, gate: Tensor, graph: GemNetOCGraph) -> Tensor:
    """Return features of the atoms, [N, emb_size_atom], for the energy."""
    x = from_edges(block, m, gate, graph.main, h.shape[0])
    if block.seq_energy2 is None:
        return x
    x = (x + h) * INV_SQRT_2
    for layer in block.seq_energy2:
        x = residual(layer, x)
    return x


def _messages(
    block: Any, i: int, h: Tensor, m: Tensor, bases: Bases, factors: Gates, graph: GemNetOCGraph
) -> tuple[Tensor, Tensor]:
    """Return the sums of all messages to the edges, with a skip connection, and to the atoms, with their features."""
    trip, quad = block.trip_interaction, block.quad_interaction
    to_edges, to_atoms, pairs = block.atom_edge_interaction, block.edge_atom_interaction, block.atom_interaction
    of_edges = [block.dense_ca, *(part.dense_ba for part in (trip, to_atoms) if part is not None)]
    skip, messages, *more = dense_layers(m, *of_edges, *([] if quad is None else [quad.dense_db]))
    incoming, slots = graph.main.incoming, graph.main.slots
    products = gated(messages, factors.triplets[i])
    observe(trip.scale_rbf, products, messages)
    inputs = _padded(dense(trip.down_projection, products), incoming)
    sums = _bilinear(trip.mlp_cbf, trip.scale_cbf_sum, inputs, bases.triplets).index_select(0, slots)
    # here and below, each input counts once for each of its triplets or quadruplets
    observe(trip.scale_cbf_sum, sums, inputs, lambda: graph.is_triplet.sum(1))
    edges, atoms = [(trip, sums)], [h]
    if to_atoms is not None:
        with_others = graph.mixed
        assert with_others is not None
        messages = more.pop(0)
        products = gated(messages, factors.to_atoms[i])
        observe(to_atoms.scale_rbf, products, messages)
        inputs = _padded(dense(to_atoms.down_projection, products), incoming)
        sums = _contracted(bases.to_atoms, inputs, to_atoms.mlp_cbf.bilinear, to_atoms.scale_cbf_sum)
        observe(to_atoms.scale_cbf_sum, sums, inputs, lambda: with_others.is_triplet.sum(2))
        atoms.append(dense(to_atoms.up_projection_ca, sums))
    if quad is not None:
        sums = _from_quadruplets(quad, more.pop(0), factors.quadruplets[i], factors.inputs[i], bases, graph)
        edges.append((quad, sums))
    if to_edges is not None:
        mixed = graph.mixed
        assert mixed is not None
        assert bases.to_edges is not None
        others = mixed.others
        messages = dense(to_edges.dense_ba, h).index_select(0, others.edges.source)
        products = messages * factors.to_edges[i]
        observe(to_edges.scale_rbf, products, messages)
        inputs = _padded(dense(to_edges.down_projection, products), others.incoming)
        sums = _bilinear(to_edges.mlp_cbf, to_edges.scale_cbf_sum, inputs, bases.to_edges).index_select(0, slots)
        observe(to_edges.scale_cbf_sum, sums, inputs, lambda: mixed.is_triplet.sum(1))
        edges.append((to_edges, sums))
    if pairs is not None:
        neighbors = graph.atoms
        assert neighbors is not None
        sources = neighbors.edges.source.index_select(0, neighbors.incoming.flatten())
        inputs = _padded(dense(pairs.down_projection, h), sources.view_as(neighbors.incoming))
        sums = _contracted(bases.atoms, inputs, pairs.bilinear, pairs.scale_rbf_sum)
        observe(pairs.scale_rbf_sum, sums, inputs, lambda: neighbors.is_edge.long())
        atoms.append(dense(pairs.up_projection, sums))
    received = [dense_layers(sums, part.up_projection_ca, part.up_projection_ac) for part, sums in edges]
    of_edge, of_reverse = (_total(values) for values in zip(*received, strict=True))
    x = torch.add(skip, of_edge + reverse(of_reverse), alpha=INV_SQRT_2) * (1 / math.sqrt(1 + len(edges)))
    return x, _total(atoms) * (1 / math.sqrt(len(atoms)))


def _from_quadruplets(
    part: Any, messages: Tensor, gate: Tensor, inputs_gate: Tensor, bases: Bases, graph: GemNetOCGraph
) -> Tensor:
    """Return for each edge c -> a the messages d -> b summed over b and d, [2P, emb_size_quad_out]."""
    quadruplets = graph.quadruplets
    assert quadruplets is not None
    assert bases.quadruplets is not None
    products = gated(messages, gate)
    observe(part.scale_rbf, products, messages)
    inputs = _padded(dense(part.down_projection, products), quadruplets.inputs)
    products = inputs * inputs_gate.view_as(inputs)  # [Q, K, emb_size_quad_in]
    if is_observed():
        kept = triplets_of_inputs(graph.main, quadruplets)  # [Q, K]
        observe(part.scale_cbf, products[kept], inputs[kept])
    sums = _bilinear(part.mlp_sbf, part.scale_sbf_sum, products, bases.quadruplets)  # [Q * K, emb_size_quad_out]
    sums = scatter_sum(sums, quadruplets.outer.flatten(), messages.shape[0])
    observe(part.scale_sbf_sum, sums, products, lambda: quadruplets.is_quadruplet.sum(1))
    return sums


def _total(values: Sequence[Tensor]) -> Tensor:
    return sum(values[1:], values[0])


def _padded(features: Tensor, places: Tensor) -> Tensor:
    """Return rows [G, L, F] of features."""
    return features.index_select(0, places.flatten()).view(*places.shape, features.shape[1])


def _bilinear(layer: Any, factor: Any, inputs: Tensor, basis: TripletBasis) -> Tensor:
    """Return for each of K outputs of a group the bilinear form of its L inputs and the basis, summed over L.

    Args:
        layer: the bilinear layer.
        factor: its scale factor.
        inputs: [G, L, F].
        basis: [G * K, emb_size, S] and [G, K * S, L].

    Returns:
        [G * K, features of the output].
    """
    lengths, angles = basis
    sums = torch.bmm(angles, inputs).view(lengths.shape[0], lengths.shape[2], inputs.shape[2])
    return _linear(torch.bmm(lengths, sums), layer.bilinear, factor)


def _contracted(basis: Tensor | None, inputs: Tensor, layer: Any, factor: Any) -> Tensor:
    """Return for each of N atoms the bilinear form of its inputs [N, L, F] and a basis [N, emb_size, L]."""
    assert basis is not None
    return _linear(torch.bmm(basis, inputs), layer, factor)


def _linear(sums: Tensor, layer: Any, factor: Any) -> Tensor:
    return functional.linear(sums.flatten(1), layer.linear.weight * scale_factors([factor]))
