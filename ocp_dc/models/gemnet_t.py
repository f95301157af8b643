"""GemNet-dT (Gasteiger et al., arXiv 2106.08903), with arguments and parameters named as in fairchem 1.10.

The triplets of an atom are all combinations of two of its incoming edges. Their sums are products with one matrix
[K, K] for each atom, and no triplet is listed. Both directions of a pair of atoms share its functions of the distance.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.models.gemnet_basis import BERNSTEIN, CircularBasis, RadialBasis, circular, expand, radial
from ocp_dc.models.gemnet_graph import GemNetGraph, gemnet_graph
from ocp_dc.models.gemnet_interaction import (
    concat_weights,
    from_atoms,
    gates,
    interact,
    linear,
    output,
)
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
from ocp_dc.surgery import RegionTable

# the dense and the residual layers between the atoms' features and their energies; out_blocks.N.seq_energy is an alias
_OUTPUT = (r"^out_blocks\.\d+\.layers\.",)

GEMNET_T_REGIONS = RegionTable(
    output=_OUTPUT,
    paper=_OUTPUT,
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU", "SiQU"),
    source="arXiv 2310.01649, section 4; fairchem/core/models/gemnet/layers/atom_update_block.py",
)


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

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms, and not their mean."""
        return self.extensive

    def energy(self, numbers: Tensor, positions: Tensor, graph: GemNetGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        vectors = graph.pairs.vectors(positions)  # [P, 3]
        lengths = vectors.norm(dim=-1)  # [P]
        triplets = self._triplet_basis(lengths, vectors / lengths[:, None], graph, first_order)
        rbf = expand(functools.partial(radial, self.radial_basis), lengths, -1, first_order)  # [P, num_radial]
        h = self.atom_emb.embeddings(numbers - 1)  # [N, emb_size_atom]
        node_weight, edge_weight = concat_weights(self.edge_emb, h)
        shared = [edge_weight, *(mlp.linear.weight for mlp in (self.mlp_rbf3, self.mlp_rbf_h, self.mlp_rbf_out))]
        embedded, rbf3, rbf_h, rbf_out = linear(rbf, shared)
        interactions = [block.trip_interaction for block in self.int_blocks]
        updates = [block.atom_update for block in self.int_blocks]
        message_gates = gates(rbf3, [part.mlp_rbf for part in interactions], [part.scale_rbf for part in interactions])
        update_gates = gates(rbf_h, [part.dense_rbf for part in updates], [part.scale_sum for part in updates])
        ends = self.out_blocks
        output_gates = gates(rbf_out, [part.dense_rbf for part in ends], [part.scale_sum for part in ends])

        m = self.edge_emb.dense._activation(torch.cat([embedded, embedded]) + from_atoms(h, node_weight, graph))
        energies = output(ends[0], m, output_gates[0], graph, h.shape[0])  # [N, 1]
        for i, block in enumerate(self.int_blocks):
            h, m = interact(block, h, m, triplets, message_gates[i], update_gates[i], graph)
            energies = energies + output(ends[i + 1], m, output_gates[i + 1], graph, h.shape[0])
        pool = scatter_sum if self.extensive else scatter_mean
        return pool(energies, graph.pairs.batch, graph.pairs.count)

    def _triplet_basis(self, lengths: Tensor, directions: Tensor, graph: GemNetGraph, first_order: bool) -> Tensor:
        """Return the basis of the triplets c -> a <- b, for all pairs of edges that end at the same atom.

        Args:
            lengths: [P], the lengths of the pairs, in Å.
            directions: [P, 3], unit vectors.
            graph: the graph.
            first_order: see :meth:`energy`.

        Returns:
            [N, K, K * emb_size_cbf], for each edge b -> a the functions of all edges c -> a, which are zero for b = c
            and in the padding.
        """
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
        projected = rbf @ weight.transpose(0, 1).flatten(1)  # [P, num_spherical * emb_size_cbf]
        of_edges = torch.cat([projected, projected]).index_select(0, places)  # [N * K, num_spherical * emb_size_cbf]
        products = torch.bmm(angular.flatten(0, 1).transpose(1, 2), of_edges.unflatten(1, (count, -1)))
        return products.unflatten(0, (atoms, width)).transpose(1, 2).flatten(2)  # from [N * K, K, emb_size_cbf]


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
        self._name_scale_factors()

    def _name_scale_factors(self) -> None:
        """Give the scale factors their names in fairchem's scale files."""
        for i, end in enumerate(self.out_blocks):
            end.scale_sum.name = f"OutBlock_{i}_sum"
        for i, block in enumerate(self.int_blocks, start=1):
            block.trip_interaction.scale_rbf.name = f"TripInteraction_{i}_had_rbf"
            block.trip_interaction.scale_cbf_sum.name = f"TripInteraction_{i}_sum_cbf"
            block.atom_update.scale_sum.name = f"AtomUpdate_{i}_sum"

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements beyond the largest atomic number; raises UserError."""
        self.atom_emb.check(numbers)
