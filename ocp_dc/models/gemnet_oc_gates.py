"""Factors of GemNet-OC's features, from functions of distances: one product for all blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ocp_dc.models.gemnet_interaction import gates, linear
from ocp_dc.models.gemnet_oc_bases import Bases


@dataclasses.dataclass(frozen=True)
class Gates:
    """The factors of features in each block, from functions of distances; empty where there is no interaction.

    Args:
        triplets: [P, emb_size_edge], of messages from edges to edges.
        quadruplets: [P, emb_size_edge], of messages by inner edges.
        inputs: [Q * K, emb_size_quad_in], of the same, for each inner edge.
        to_edges: [E, emb_size_atom], of messages from atoms to edges.
        to_atoms: [P, emb_size_edge], of messages from edges to atoms.
        updates: [P, emb_size_edge], in the update of the atoms.
        outputs: [P, emb_size_edge], in each output, one more than blocks.
    """

    triplets: Sequence[Tensor]
    quadruplets: Sequence[Tensor]
    inputs: Sequence[Tensor]
    to_edges: Sequence[Tensor]
    to_atoms: Sequence[Tensor]
    updates: Sequence[Tensor]
    outputs: Sequence[Tensor]


def find_gates(model: Any, bases: Bases, edge_weight: Tensor) -> tuple[Tensor, Gates]:
    """Return the functions of lengths projected for the first features, [P, emb_size_edge], and the factors.

    Args:
        model: a :class:`~ocp_dc.models.gemnet_oc.GemNetOCPotential`.
        bases: its bases.
        edge_weight: [emb_size_edge, R], the weight of the first features.
    """
    layers = {"triplets": model.mlp_rbf_tint, "updates": model.mlp_rbf_h, "outputs": model.mlp_rbf_out}
    if model.quad_interaction:
        layers["quadruplets"] = model.mlp_rbf_qint
    if model.edge_atom_interaction:
        layers["to_atoms"] = model.mlp_rbf_eaint
    first, *others = linear(bases.rbf, [edge_weight, *(layer.linear.weight for layer in layers.values())])
    rbf = dict(zip(layers, others, strict=True))  # [P, emb_size_rbf] each
    to_edges = None if bases.others is None else model.mlp_rbf_aeint.linear(bases.others)
    blocks, ends = model.int_blocks, model.out_blocks
    return first, Gates(
        _gates(blocks, "trip_interaction", rbf["triplets"]),
        _gates(blocks, "quad_interaction", rbf.get("quadruplets")),
        _gates(blocks, "quad_interaction", bases.inputs, "mlp_cbf", "scale_cbf"),
        _gates(blocks, "atom_edge_interaction", to_edges),
        _gates(blocks, "edge_atom_interaction", rbf.get("to_atoms")),
        _gates(blocks, "atom_update", rbf["updates"], "dense_rbf", "scale_sum"),
        gates(rbf["outputs"], [part.dense_rbf for part in ends], [part.scale_sum for part in ends]),
    )


def _gates(blocks: Any, kind: str, rbf: Tensor | None, layer: str = "mlp_rbf", factor: str = "scale_rbf") -> Any:
    """Return the factors of one kind of interaction in each block; none if ``rbf`` is None.

    Args:
        blocks: the interaction blocks.
        kind: the attribute with the interaction.
        rbf: projected functions of distances.
        layer: the attribute with the layer that makes factors of them.
        factor: the attribute with its scale factor.
    """
    if rbf is None:
        return ()
    parts = [getattr(block, kind) for block in blocks]
    return gates(rbf, [getattr(part, layer) for part in parts], [getattr(part, factor) for part in parts])
