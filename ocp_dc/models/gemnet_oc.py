"""GemNet-OC (Gasteiger et al., arXiv 2204.02782), with arguments and parameters named as in fairchem 1.10.

Triplets and quadruplets are not listed: their sums are products with one matrix for each atom, or for each edge in the
middle of quadruplets, and no function of two angles is computed for a quadruplet.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ocp_dc.models.gemnet_interaction import concat_weights, from_atoms, gates, linear
from ocp_dc.models.gemnet_oc_bases import Bases, find_bases
from ocp_dc.models.gemnet_oc_graph import GemNetOCGraph, gemnet_oc_graph
from ocp_dc.models.gemnet_oc_interaction import Gates, gates_of, interact, output
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_mean, scatter_sum


class GemNetOCPotential(Potential[GemNetOCGraph]):
    """The energy of GemNet-OC as a function of its parts, which a subclass builds: ours, or a host's GemNet-OC.

    Attributes:
        extensive: whether the energy is the sum over the atoms, and not their mean.
        quad_interaction: whether there are interactions by quadruplets.
        atom_edge_interaction: whether there are messages from atoms to edges.
        edge_atom_interaction: whether there are messages from edges to atoms.
        atom_interaction: whether there are messages from atoms to atoms.
        sbf_name: the basis of the two angles of a quadruplet.
        radial_basis: the basis of the lengths of edges; parts of other names are fairchem's.
        atom_emb, edge_emb: the first features of atoms and edges.
        int_blocks: the interactions.
        out_blocks: the networks that return features of atoms, one more than ``int_blocks``.
        out_mlp_E, out_energy: the network from these to energies of atoms.
    """

    extensive: bool
    quad_interaction: bool
    atom_edge_interaction: bool
    edge_atom_interaction: bool
    atom_interaction: bool
    sbf_name: str
    radial_basis: Any
    atom_emb: Any
    edge_emb: Any
    int_blocks: Any
    out_blocks: Any
    out_mlp_E: Any
    out_energy: Any
    mlp_rbf_h: Any
    mlp_rbf_out: Any
    mlp_rbf_tint: Any
    mlp_rbf_qint: Any
    mlp_rbf_aeint: Any
    mlp_rbf_eaint: Any

    def build_graph(self, edges: EdgeGraph) -> GemNetOCGraph:
        """Return the graphs of the interactions.

        Args:
            edges: a :class:`~ocp_dc.models.gemnet_oc_graph.GemNetOCEdges`, or the edges of all graphs.
        """
        mixed = self.atom_edge_interaction or self.edge_atom_interaction
        return gemnet_oc_graph(edges, mixed=mixed, quadruplets=self.quad_interaction, atoms=self.atom_interaction)

    def energy(self, numbers: Tensor, positions: Tensor, graph: GemNetOCGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        bases = find_bases(self, positions, graph, first_order)
        h = self.atom_emb.embeddings(numbers - 1)  # [N, emb_size_atom]
        node_weight, edge_weight = concat_weights(self.edge_emb, h)
        embedded, output_gates, gates = self._projections(bases, edge_weight)
        m = torch.cat([embedded, embedded]) + from_atoms(h, node_weight, graph.main)
        m = self.edge_emb.dense._activation(m)  # [2P, emb_size_edge]
        outputs = [output(self.out_blocks[0], h, m, output_gates[0], graph)]
        for i, block in enumerate(self.int_blocks):
            h, m = interact(block, i, h, m, bases, gates, graph)
            outputs.append(output(self.out_blocks[i + 1], h, m, output_gates[i + 1], graph))
        features = self.out_mlp_E(torch.cat(outputs, dim=1))
        energies = self.out_energy(features)  # [N, 1]
        pool = scatter_sum if self.extensive else scatter_mean
        return pool(energies, graph.main.pairs.batch, graph.main.pairs.count)

    def _projections(self, bases: Bases, edge_weight: Tensor) -> tuple[Tensor, Any, Gates]:
        """Return the functions of lengths projected for the first features, [P, emb_size_edge], and all factors."""
        shared = {
            "edges": edge_weight,
            "updates": self.mlp_rbf_h.linear.weight,
            "outputs": self.mlp_rbf_out.linear.weight,
        }
        shared["triplets"] = self.mlp_rbf_tint.linear.weight
        if self.quad_interaction:
            shared["quadruplets"] = self.mlp_rbf_qint.linear.weight
        if self.edge_atom_interaction:
            shared["to_atoms"] = self.mlp_rbf_eaint.linear.weight
        of = dict(zip(shared, linear(bases.rbf, list(shared.values())), strict=True))
        to_edges = None if bases.others is None else self.mlp_rbf_aeint.linear(bases.others)
        blocks, ends = self.int_blocks, self.out_blocks
        factors = Gates(
            gates_of(blocks, "trip_interaction", of["triplets"]),
            gates_of(blocks, "quad_interaction", of.get("quadruplets")),
            gates_of(blocks, "quad_interaction", bases.inputs, "mlp_cbf", "scale_cbf"),
            gates_of(blocks, "atom_edge_interaction", to_edges),
            gates_of(blocks, "edge_atom_interaction", of.get("to_atoms")),
            gates_of(blocks, "atom_update", of["updates"], "dense_rbf", "scale_sum"),
        )
        output_gates = gates(of["outputs"], [part.dense_rbf for part in ends], [part.scale_sum for part in ends])
        return of["edges"], output_gates, factors
