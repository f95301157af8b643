"""GemNet-dT (Gasteiger et al., arXiv 2106.08903), with arguments and parameters named as in fairchem 1.10.

The triplets of an atom are all combinations of two of its incoming edges. Their sums are products with one matrix
[K, K] for each atom, and no triplet is listed. Both directions of a pair of atoms share its functions of the distance.
Scale factors multiply weights instead of features, because weights are smaller.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ocp_dc.core.errors import UserError
from ocp_dc.models.elements import SYMBOLS
from ocp_dc.models.gemnet_basis import CircularBasis, RadialBasis, circular, expand, radial
from ocp_dc.models.gemnet_graph import GemNetGraph, gemnet_graph
from ocp_dc.models.gemnet_layers import (
    AtomEmbedding,
    Dense,
    DownProjection,
    EdgeEmbedding,
    InteractionBlock,
    OutputBlock,
    Sizes,
)
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_mean, scatter_sum

INV_SQRT_2 = 1 / math.sqrt(2)


class GemNetTPotential(Potential[GemNetGraph]):
    """The energy of GemNet-dT as a function of its parts, which a subclass builds: ours, or a host's GemNet-dT.

    Attributes:
        extensive: whether the energy is the sum over the atoms, and not their mean.
        radial_basis: the basis of distances.
        cbf_basis3: the bases of distances and angles of triplets.
        mlp_rbf3, mlp_cbf3, mlp_rbf_h, mlp_rbf_out: projections of the bases, shared by all blocks.
        atom_emb, edge_emb: the first features of atoms and edges.
        int_blocks: the interactions.
        out_blocks: the networks that return energies of atoms, one more than ``int_blocks``.
    """

    extensive: bool
    radial_basis: Any
    cbf_basis3: Any
    mlp_rbf3: Any
    mlp_cbf3: Any
    mlp_rbf_h: Any
    mlp_rbf_out: Any
    atom_emb: Any
    edge_emb: Any
    int_blocks: Any
    out_blocks: Any

    def build_graph(self, edges: EdgeGraph) -> GemNetGraph:
        """Return the pairs of atoms and the incoming edges of each atom."""
        return gemnet_graph(edges)

    def energy(self, numbers: Tensor, positions: Tensor, graph: GemNetGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        vectors = graph.pairs.vectors(positions)  # [P, 3]
        lengths = vectors.norm(dim=-1)  # [P]
        triplets = self._triplet_basis(lengths, vectors / lengths[:, None], graph, first_order)
        rbf = expand(functools.partial(radial, self.radial_basis), lengths, -1, first_order)  # [P, num_radial]
        h = self.atom_emb.embeddings(numbers - 1)  # [N, emb_size_atom]
        of_atoms, of_edges = _concat_weights(self.edge_emb, h)
        shared = [of_edges, *(mlp.linear.weight for mlp in (self.mlp_rbf3, self.mlp_rbf_h, self.mlp_rbf_out))]
        embedded, rbf3, rbf_h, rbf_out = _linear(rbf, shared)
        interactions = [block.trip_interaction for block in self.int_blocks]
        updates = [block.atom_update for block in self.int_blocks]
        message_gates = _gates(rbf3, [part.mlp_rbf for part in interactions], [part.scale_rbf for part in interactions])
        update_gates = _gates(rbf_h, [part.dense_rbf for part in updates], [part.scale_sum for part in updates])
        output_gates = _gates(
            rbf_out, [part.dense_rbf for part in self.out_blocks], [part.scale_sum for part in self.out_blocks]
        )

        m = self.edge_emb.dense._activation(torch.cat([embedded, embedded]) + _of_atoms(h, of_atoms, graph))
        energies = _output(self.out_blocks[0], m, output_gates[0], graph, len(h))  # [N, 1]
        for i, block in enumerate(self.int_blocks):
            h, m = _interact(block, h, m, triplets, message_gates[i], update_gates[i], graph)
            energies = energies + _output(self.out_blocks[i + 1], m, output_gates[i + 1], graph, len(h))
        pool = scatter_sum if self.extensive else scatter_mean
        return pool(energies, graph.pairs.batch, graph.pairs.count)

    def _triplet_basis(self, lengths: Tensor, directions: Tensor, graph: GemNetGraph, first_order: bool) -> Tensor:
        """Return the projected basis of the triplets c -> a <- b, [N, K * emb_size_cbf, K]: edges c -> a by b -> a."""
        atoms, width = graph.incoming.shape
        places = graph.incoming.flatten()
        units = torch.cat([directions, -directions]).index_select(0, places).view(atoms, width, 3)
        cosines = torch.bmm(units, units.transpose(1, 2))  # [N, K, K]
        count = self.mlp_cbf3.num_spherical
        angular = expand(functools.partial(circular, self.cbf_basis3, count), cosines, -2, first_order)
        others = graph.is_edge[:, None, :] & ~torch.eye(width, dtype=torch.bool, device=places.device)  # [N, K, K]
        angular = angular * others[:, :, None, :]  # [N, K, num_spherical, K]
        rbf = expand(functools.partial(radial, self.cbf_basis3.radial_basis), lengths, -1, first_order)
        weight = self.mlp_cbf3.weight  # [num_spherical, num_radial, emb_size_cbf]
        projected = rbf @ weight.permute(1, 2, 0).flatten(1)  # [P, emb_size_cbf * num_spherical]
        of_edges = torch.cat([projected, projected]).index_select(0, places)
        of_edges = of_edges.view(atoms * width, weight.shape[2], count)
        return torch.bmm(of_edges, angular.flatten(0, 1)).view(atoms, width * weight.shape[2], width)


class GemNetT(GemNetTPotential):
    """GemNet-dT with parts from torch only.

    Args:
        num_spherical: the number of functions of an angle.
        num_radial: the number of functions of a distance.
        num_blocks: the number of interactions.
        emb_size_atom: features of an atom.
        emb_size_edge: features of an edge.
        emb_size_trip: features of an edge in a triplet.
        emb_size_rbf: features that the functions of a distance are projected to.
        emb_size_cbf: features that the functions of a triplet are projected to.
        emb_size_bil_trip: features of an edge after the sum over its triplets.
        num_before_skip: residual layers before the first skip connection.
        num_after_skip: residual layers after the first skip connection.
        num_concat: residual layers after the concatenation of edges and atoms.
        num_atom: residual layers of the atoms.
        regress_forces: whether forces, -dE/dx, are predicted as well.
        cutoff: the longest edge, in Å.
        rbf: basis of distances: ``name`` (gaussian, spherical_bessel, bernstein) and its arguments.
        envelope: envelope of distances: ``name`` (polynomial, exponential) and its arguments.
        cbf: basis of cosines: ``name`` (spherical_harmonics, gaussian) and its arguments.
        extensive: whether the energy is the sum over the atoms, and not their mean.
        output_init: first weights of the last layers: HeOrthogonal or zeros.
        activation: swish, silu (the same) or siqu.
        num_elements: the largest atomic number.

    Raises:
        UserError: a size is too small, or a name is unknown.
    """

    def __init__(
        self,
        num_spherical: int,
        num_radial: int,
        num_blocks: int,
        emb_size_atom: int,
        emb_size_edge: int,
        emb_size_trip: int,
        emb_size_rbf: int,
        emb_size_cbf: int,
        emb_size_bil_trip: int,
        num_before_skip: int,
        num_after_skip: int,
        num_concat: int,
        num_atom: int,
        regress_forces: bool = True,
        cutoff: float = 6.0,
        rbf: Mapping[str, Any] | None = None,
        envelope: Mapping[str, Any] | None = None,
        cbf: Mapping[str, Any] | None = None,
        extensive: bool = True,
        output_init: str = "HeOrthogonal",
        activation: str = "swish",
        num_elements: int = 83,
    ) -> None:
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = cutoff
        self.extensive = extensive
        check_sizes(1, num_spherical=num_spherical, num_blocks=num_blocks, num_elements=num_elements)
        check_sizes(2, num_radial=num_radial)
        sizes = Sizes(
            emb_size_atom,
            emb_size_edge,
            emb_size_trip,
            emb_size_rbf,
            emb_size_cbf,
            emb_size_bil_trip,
            num_before_skip,
            num_after_skip,
            num_concat,
            num_atom,
            activation,
        )
        rbf = rbf or {"name": "gaussian"}
        envelope = envelope or {"name": "polynomial", "exponent": 5}
        self.radial_basis = RadialBasis(num_radial, cutoff, rbf, envelope)
        of_triplets = RadialBasis(num_radial, cutoff, rbf, envelope)
        self.cbf_basis3 = CircularBasis(num_spherical, of_triplets, cbf or {"name": "spherical_harmonics"})
        self.mlp_rbf3 = Dense(num_radial, emb_size_rbf)
        self.mlp_cbf3 = DownProjection(num_spherical, num_radial, emb_size_cbf)
        self.mlp_rbf_h = Dense(num_radial, emb_size_rbf)
        self.mlp_rbf_out = Dense(num_radial, emb_size_rbf)
        self.atom_emb = AtomEmbedding(emb_size_atom, num_elements)
        self.edge_emb = EdgeEmbedding(emb_size_atom, num_radial, emb_size_edge, activation)
        interactions = [InteractionBlock(sizes) for _ in range(num_blocks)]
        self.out_blocks = nn.ModuleList(OutputBlock(sizes, output_init) for _ in range(num_blocks + 1))
        self.int_blocks = nn.ModuleList(interactions)  # after out_blocks, but drawn before: the order of fairchem

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements beyond the largest atomic number; raises UserError."""
        known = self.atom_emb.embeddings.num_embeddings
        unknown = numbers[numbers > known].unique().tolist()
        if unknown:
            names = ", ".join(SYMBOLS[number] for number in unknown)
            raise UserError(f"the model has no features for {names}; raise model.num_elements, which is {known}")


def _interact(
    block: Any, h: Tensor, m: Tensor, triplets: Tensor, message_gate: Tensor, update_gate: Tensor, graph: GemNetGraph
) -> tuple[Tensor, Tensor]:
    """Return the features of atoms and edges after an interaction.

    Args:
        block: the interaction.
        h: [N, emb_size_atom], features of the atoms.
        m: [2P, emb_size_edge], features of the edges.
        triplets: [N, K * emb_size_cbf, K], the projected basis of the triplets.
        message_gate: [P, emb_size_edge], the factor of the messages.
        update_gate: [P, emb_size_edge], the factor in the update of the atoms.
        graph: the graph.
    """
    part = block.trip_interaction
    skip, messages = _dense(m, block.dense_ca, part.dense_ba)
    messages = part.down_projection(_gated(messages, message_gate))  # [2P, emb_size_trip]
    from_c, from_a = _dense(
        _sum_triplets(part, messages, triplets, graph), part.up_projection_ca, part.up_projection_ac
    )
    x = torch.add(skip, from_c + _reversed(from_a), alpha=INV_SQRT_2) * INV_SQRT_2
    for layer in block.layers_before_skip:
        x = layer(x)
    m = (m + x) * INV_SQRT_2
    for layer in block.layers_after_skip:
        m = layer(m)
    h = (h + _of_edges(block.atom_update, m, update_gate, graph, len(h))) * INV_SQRT_2
    of_atoms, of_edges = _concat_weights(block.concat_layer, h)
    x = block.concat_layer.dense._activation(functional.linear(m, of_edges) + _of_atoms(h, of_atoms, graph))
    for layer in block.residual_m:
        x = layer(x)
    return h, (m + x) * INV_SQRT_2


def _sum_triplets(part: Any, messages: Tensor, triplets: Tensor, graph: GemNetGraph) -> Tensor:
    """Return for each edge c -> a the bilinear form of messages b -> a and the basis, summed over b: [2P, bilinear]."""
    atoms, width = graph.incoming.shape
    weight = part.mlp_cbf.weight  # [emb_size_trip, emb_size_cbf, emb_size_bil_trip]
    padded = messages.index_select(0, graph.incoming.flatten()).view(atoms, width, weight.shape[0])
    sums = torch.bmm(triplets, padded).view(atoms * width, -1)  # [N * K, emb_size_cbf * emb_size_trip]
    scaled = weight.transpose(0, 1).flatten(0, 1) * _factors([part.scale_cbf_sum])
    return (sums @ scaled).index_select(0, graph.slots)


def _output(block: Any, m: Tensor, gate: Tensor, graph: GemNetGraph, atoms: int) -> Tensor:
    """Return the energies of the atoms, [N, 1], from the features of the edges."""
    return block.out_energy.linear(_of_edges(block, m, gate, graph, atoms))


def _of_edges(block: Any, m: Tensor, gate: Tensor, graph: GemNetGraph, atoms: int) -> Tensor:
    """Return features of the atoms, [N, emb_size_atom], from those of the edges that end at them."""
    x = scatter_sum(_gated(m, gate), graph.target, atoms)  # [N, emb_size_edge]
    for layer in block.layers:
        x = layer(x)
    return x


def _of_atoms(h: Tensor, weight: Tensor, graph: GemNetGraph) -> Tensor:
    """Return the product of a weight [F, 2 * emb_size_atom] and the features of both atoms of each edge, [2P, F]."""
    of_source, of_target = weight.chunk(2, dim=1)
    source, target = _linear(h, [of_source, of_target])  # [N, F] each; smaller than [2P, F]
    return source.index_select(0, graph.source) + target.index_select(0, graph.target)


def _concat_weights(layer: Any, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of an edge embedding's weight for the features ``h`` of both atoms and for those of edges."""
    weight: Tensor = layer.dense.linear.weight  # [F, 2 * emb_size_atom + features of edges]
    return weight[:, : 2 * h.shape[1]], weight[:, 2 * h.shape[1] :]


def _gates(rbf: Tensor, layers: Sequence[Any], factors: Sequence[Any]) -> Sequence[Tensor]:
    """Return for each layer its values, [P, F], times its scale factor; all from one product.

    Args:
        rbf: [P, emb_size_rbf], a projected basis of the distances.
        layers: dense layers without activation.
        factors: the scale factor of each layer's product, or of sums of it.
    """
    weight = torch.stack([layer.linear.weight for layer in layers]) * _factors(factors)[:, None, None]
    return functional.linear(rbf, weight.flatten(0, 1)).chunk(len(layers), dim=1)


def _factors(factors: Sequence[Any]) -> Tensor:
    """Return the values of scale factors; 1 where one is not fitted."""
    values = torch.stack([factor.scale_factor for factor in factors])
    return torch.where(values == 0, 1, values)


def _gated(m: Tensor, gate: Tensor) -> Tensor:
    """Return the features [2P, F] of edges times those [P, F] of their pairs."""
    return (m.unflatten(0, (2, len(gate))) * gate).flatten(0, 1)


def _reversed(m: Tensor) -> Tensor:
    """Return for each edge the features [2P, F] of its reverse."""
    return m.unflatten(0, (2, len(m) // 2)).flip(0).flatten(0, 1)


def _linear(x: Tensor, weights: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the product of ``x`` and each of several weights, from one product."""
    return functional.linear(x, torch.cat(list(weights))).split([len(weight) for weight in weights], dim=1)


def _dense(x: Tensor, *layers: Any) -> list[Tensor]:
    """Return the values of several dense layers at the same input, from one product."""
    products = _linear(x, [layer.linear.weight for layer in layers])
    return [layer._activation(product) for layer, product in zip(layers, products, strict=True)]
