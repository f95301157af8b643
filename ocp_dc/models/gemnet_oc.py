"""GemNet-OC (Gasteiger et al., arXiv 2204.02782), with arguments and parameters named as in fairchem 1.10.

Triplets and quadruplets are not listed: their sums are products with one matrix for each atom, or for each edge in the
middle of quadruplets, and no function of two angles is computed for a quadruplet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models.gemnet_basis import BERNSTEIN
from ocp_dc.models.gemnet_interaction import concat_weights, from_atoms
from ocp_dc.models.gemnet_layers import AtomEmbedding, Dense, EdgeEmbedding
from ocp_dc.models.gemnet_oc_bases import find_bases
from ocp_dc.models.gemnet_oc_basis_layers import BasisOptions, named_bases, named_projections
from ocp_dc.models.gemnet_oc_gates import find_gates
from ocp_dc.models.gemnet_oc_graph import GemNetOCGraph, gemnet_oc_graph
from ocp_dc.models.gemnet_oc_interaction import interact, output
from ocp_dc.models.gemnet_oc_layers import InteractionBlock, OutputBlock, Sizes, initialize, residuals
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_mean, scatter_sum
from ocp_dc.surgery import RegionTable

GEMNET_OC_REGIONS = RegionTable(
    # in each output block the layers before and after adding the atom embedding, then the global layers;
    # out_blocks.N.seq_energy_pre is an alias. One expression, since num_output_afteratom may be 0
    output=(r"^(out_blocks\.\d+\.(layers|seq_energy2)|out_mlp_E)\.",),
    gates=(BERNSTEIN,),
    activation_types=("ScaledSiLU",),
    source="not in arXiv 2310.01649; fairchem/core/models/gemnet_oc/layers/atom_update_block.py",
)


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

    def build_graph(self, edges: EdgeGraph) -> GemNetOCGraph:
        """Return the graphs of the interactions.

        Args:
            edges: a :class:`~ocp_dc.models.gemnet_oc_graph.GemNetOCEdges`, or the edges of all graphs.
        """
        mixed = self.atom_edge_interaction or self.edge_atom_interaction
        return gemnet_oc_graph(edges, mixed=mixed, quadruplets=self.quad_interaction, atoms=self.atom_interaction)

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms, and not their mean."""
        return self.extensive

    def energy(self, numbers: Tensor, positions: Tensor, graph: GemNetOCGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        bases = find_bases(self, positions, graph, first_order)
        h = self.atom_emb.embeddings(numbers - 1)  # [N, emb_size_atom]
        node_weight, edge_weight = concat_weights(self.edge_emb, h)
        embedded, gates = find_gates(self, bases, edge_weight)
        m = torch.cat([embedded, embedded]) + from_atoms(h, node_weight, graph.main)
        m = self.edge_emb.dense._activation(m)  # [2P, emb_size_edge]
        outputs = [output(self.out_blocks[0], h, m, gates.outputs[0], graph)]
        for i, block in enumerate(self.int_blocks):
            h, m = interact(block, i, h, m, bases, gates, graph)
            outputs.append(output(self.out_blocks[i + 1], h, m, gates.outputs[i + 1], graph))
        features = self.out_mlp_E(torch.cat(outputs, dim=1))
        with torch.autocast(features.device.type, enabled=False):  # as fairchem: energies in full precision
            energies = self.out_energy(features.to(self.out_energy.linear.weight.dtype))  # [N, 1]
        pool = scatter_sum if self.extensive else scatter_mean
        return pool(energies, graph.main.pairs.batch, graph.main.pairs.count)


class GemNetOC(GemNetOCPotential):
    """GemNet-OC with parts from torch only.

    Args:
        num_spherical: the number of functions of an angle.
        num_radial: the number of functions of a distance.
        num_blocks: the number of interaction blocks.
        emb_size_atom: features of an atom.
        emb_size_edge: features of an edge.
        emb_size_trip_in: features of an edge, or atom, in a triplet.
        emb_size_trip_out: features of an edge, or atom, after the sum over its triplets.
        emb_size_quad_in: features of an edge in a quadruplet.
        emb_size_quad_out: features of an edge after the sum over its quadruplets.
        emb_size_aint_in: features of an atom in messages between atoms.
        emb_size_aint_out: features of an atom after the sum of these messages.
        emb_size_rbf: features that the functions of a distance are projected to.
        emb_size_cbf: features that the functions of a triplet are projected to.
        emb_size_sbf: features that the functions of a quadruplet are projected to.
        num_before_skip: residual layers before the first skip connection.
        num_after_skip: residual layers after the first skip connection.
        num_concat: residual layers after the concatenation of edges and atoms.
        num_atom: residual layers of the atoms.
        num_output_afteratom: residual layers of an output after the features of the atom are added.
        num_atom_emb_layers: residual layers of the atoms before the update by their edges.
        num_global_out_layers: residual layers before the energies.
        regress_forces: whether forces, -dE/dx, are predicted as well.
        cutoff: the longest edge, in Å.
        cutoff_qint: the longest inner edge of a quadruplet, in Å; ``cutoff`` by default.
        cutoff_aeaint: the longest edge between atoms and edges, in Å; ``cutoff`` by default.
        cutoff_aint: the longest edge between atoms, in Å; the largest of the others by default.
        rbf: basis of distances: ``name`` (gaussian, spherical_bessel, bernstein) and its arguments.
        rbf_spherical: that of distances in triplets and quadruplets; ``rbf`` by default.
        envelope: envelope of distances: ``name`` (polynomial, exponential) and its arguments.
        cbf: basis of cosines: ``name`` (spherical_harmonics, gaussian) and its arguments.
        sbf: basis of two angles: ``name`` (spherical_harmonics, legendre_outer, gaussian_outer) and its arguments.
        extensive: whether the energy is the sum over the atoms, and not their mean.
        output_init: first weights of the last layer: HeOrthogonal, zeros, grid or loggrid.
        activation: silu or swish, the same.
        quad_interaction: whether there are messages by quadruplets.
        atom_edge_interaction: whether there are messages from atoms to edges.
        edge_atom_interaction: whether there are messages from edges to atoms.
        atom_interaction: whether there are messages from atoms to atoms.
        scale_basis: whether bases have scale factors.
        num_elements: the largest atomic number.

    Raises:
        UserError: a size or a cutoff is too small, or a name is unknown.
    """

    def __init__(
        self,
        num_spherical: int,
        num_radial: int,
        num_blocks: int,
        emb_size_atom: int,
        emb_size_edge: int,
        emb_size_trip_in: int,
        emb_size_trip_out: int,
        emb_size_quad_in: int,
        emb_size_quad_out: int,
        emb_size_aint_in: int,
        emb_size_aint_out: int,
        emb_size_rbf: int,
        emb_size_cbf: int,
        emb_size_sbf: int,
        num_before_skip: int,
        num_after_skip: int,
        num_concat: int,
        num_atom: int,
        num_output_afteratom: int,
        num_atom_emb_layers: int = 0,
        num_global_out_layers: int = 2,
        regress_forces: bool = True,
        cutoff: float = 6.0,
        cutoff_qint: float | None = None,
        cutoff_aeaint: float | None = None,
        cutoff_aint: float | None = None,
        rbf: Mapping[str, Any] | None = None,
        rbf_spherical: Mapping[str, Any] | None = None,
        envelope: Mapping[str, Any] | None = None,
        cbf: Mapping[str, Any] | None = None,
        sbf: Mapping[str, Any] | None = None,
        extensive: bool = True,
        output_init: str = "HeOrthogonal",
        activation: str = "silu",
        quad_interaction: bool = False,
        atom_edge_interaction: bool = False,
        edge_atom_interaction: bool = False,
        atom_interaction: bool = False,
        scale_basis: bool = False,
        num_elements: int = 83,
    ) -> None:
        super().__init__()
        check_sizes(1, num_blocks=num_blocks, num_elements=num_elements)
        check_sizes(2, num_spherical=num_spherical, num_radial=num_radial)
        self.regress_forces, self.extensive = regress_forces, extensive
        self.quad_interaction, self.atom_interaction = quad_interaction, atom_interaction
        self.atom_edge_interaction, self.edge_atom_interaction = atom_edge_interaction, edge_atom_interaction
        mixed = atom_edge_interaction or edge_atom_interaction
        self.cutoff = cutoff
        self.cutoff_qint = cutoff_qint if quad_interaction and cutoff_qint is not None else cutoff
        self.cutoff_aeaint = cutoff_aeaint if mixed and cutoff_aeaint is not None else cutoff
        longest = max(cutoff, self.cutoff_qint, self.cutoff_aeaint)
        self.cutoff_aint = cutoff_aint if atom_interaction and cutoff_aint is not None else longest
        if self.cutoff_aint < longest:
            raise UserError(f"model.cutoff_aint: got {cutoff_aint}, expected at least the other cutoffs, {longest} Å")
        sizes = Sizes(
            atom=emb_size_atom,
            edge=emb_size_edge,
            trip_in=emb_size_trip_in,
            trip_out=emb_size_trip_out,
            quad_in=emb_size_quad_in,
            quad_out=emb_size_quad_out,
            aint_in=emb_size_aint_in,
            aint_out=emb_size_aint_out,
            rbf=emb_size_rbf,
            cbf=emb_size_cbf,
            sbf=emb_size_sbf,
            before_skip=num_before_skip,
            after_skip=num_after_skip,
            concat=num_concat,
            atom_layers=num_atom,
            after_atom=num_output_afteratom,
            atom_emb_layers=num_atom_emb_layers,
            activation=activation,
        )
        self.sbf_name = str((sbf or {"name": "spherical_harmonics"}).get("name")).lower()
        options = BasisOptions(num_radial, num_spherical, rbf, rbf_spherical, envelope, cbf, sbf, scale_basis)
        for name, part in (*named_bases(self, options).items(), *named_projections(self, options, sizes).items()):
            self.add_module(name, part)
        self.atom_emb = AtomEmbedding(emb_size_atom, num_elements)
        self.edge_emb = EdgeEmbedding(emb_size_atom, num_radial, emb_size_edge, activation)
        self.int_blocks = nn.ModuleList(InteractionBlock(sizes, self) for _ in range(num_blocks))
        self.out_blocks = nn.ModuleList(OutputBlock(sizes) for _ in range(num_blocks + 1))
        first = Dense(emb_size_atom * (num_blocks + 1), emb_size_atom, activation)
        self.out_mlp_E = nn.Sequential(first, *residuals(num_global_out_layers, emb_size_atom, activation))
        self.out_energy = Dense(emb_size_atom, 1)
        initialize(self.out_energy.linear.weight, output_init)

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements beyond the largest atomic number; raises UserError."""
        self.atom_emb.check(numbers)
