"""DimeNet++ (Gasteiger et al., arXiv 2011.14115), with arguments and parameters named as in fairchem 1.10.

The sum over triplets k -> j -> i is a product of matrices for each atom j, over its incoming edges k -> j. No tensor
has a row of features for each triplet. All blocks share one product of the parts of the spherical basis.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models import dimenetplusplus_layers as layers
from ocp_dc.models.dimenetplusplus_graph import TripletGraph, triplet_graph
from ocp_dc.models.dimenetplusplus_interaction import interaction, output, output_gates, triplet_filters
from ocp_dc.models.envelopes import envelope_slope, polynomial_envelope
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.legendre import zonal_harmonics, zonal_harmonics_and_slopes
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.models.spherical_bessel import radial_constants, spherical_bessel
from ocp_dc.nn.activate import activate
from ocp_dc.surgery import RegionTable

DIMENETPLUSPLUS_REGIONS = RegionTable(
    # the layers that turn the messages of a block into its share of each atom's energy
    output=(r"^output_blocks\.\d+\.act$",),
    source="arXiv 2310.01649, section 4; fairchem/core/models/dimenet_plus_plus.py",
)


class DimeNetPlusPlusPotential(Potential[TripletGraph]):
    """The energy of DimeNet++ as a function of its parts, which a subclass builds: ours, or a host's DimeNet++.

    Attributes:
        cutoff: the cutoff, in Å.
        angle_gradients: ``exact``, or ``stock`` if the angles carry no gradient, as in fairchem: its forces are then
            not the gradient of the energy.
        rbf: the radial basis, with ``freq`` and ``envelope.p``.
        sbf: the spherical basis, with ``num_spherical`` and ``num_radial``.
        emb, interaction_blocks, output_blocks: the layers, see :mod:`ocp_dc.models.dimenetplusplus_layers`.
    """

    cutoff: float
    angle_gradients: str
    rbf: Any
    sbf: Any
    emb: Any
    interaction_blocks: Any
    output_blocks: Any

    def build_graph(self, edges: EdgeGraph) -> TripletGraph:
        """Return the edges and triplets."""
        return triplet_graph(edges)

    @property
    def has_exact_gradients(self) -> bool:
        """Whether the angles carry gradients."""
        return self.angle_gradients == "exact"

    @property
    def has_atomic_energies(self) -> bool:
        """Whether the energy is a sum over the atoms; it always is."""
        return True

    def energy(self, numbers: Tensor, positions: Tensor, graph: TripletGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        edges = graph.edges
        vectors = edges.vectors(positions)  # [E, 3]
        distances = vectors.norm(dim=-1)  # [E]
        directions = vectors / distances[:, None]
        rbf = self.radial_basis(distances, first_order)  # [E, num_radial]
        radial = self.spherical_radial_basis(distances, first_order)  # [E, S, R]
        radial = radial.index_select(0, graph.incoming.flatten())  # [N * K, S, R]
        harmonics = self.harmonics(directions, graph, first_order)  # [N * K, S, M]
        filters = triplet_filters(self.interaction_blocks, radial, harmonics, graph)  # [N, K, M * D] each

        x = self.embedding(numbers, rbf, edges)  # [E, hidden_channels]
        gates = output_gates(self.output_blocks, rbf)
        atoms = output(self.output_blocks[0], x, gates[0], edges)  # [N, 1]
        for i, block in enumerate(self.interaction_blocks):
            x = interaction(block, x, rbf, filters[i], graph)
            atoms = atoms + output(self.output_blocks[i + 1], x, gates[i + 1], edges)
        return scatter_sum(atoms, edges.batch, edges.count)

    def radial_basis(self, distances: Tensor, first_order: bool) -> Tensor:
        """Return u(x) sin(ω_n x) of x = d / cutoff, [E, num_radial]; the frequencies ω_n are parameters."""
        dtype, freq = distances.dtype, self.rbf.freq
        x = (distances.detach() if first_order else distances).double() / self.cutoff
        envelope = polynomial_envelope(x, self.rbf.envelope.p)[:, None].to(dtype)
        x = x[:, None]
        angles = freq * x.to(dtype)  # [E, num_radial]
        values = envelope * angles.sin()
        if not first_order:
            return values
        slope = envelope_slope(x, self.rbf.envelope.p).to(dtype)
        return to_first_order(distances, values, (slope * angles.sin() + envelope * freq * angles.cos()) / self.cutoff)

    def spherical_radial_basis(self, distances: Tensor, first_order: bool) -> Tensor:
        """Return u(x) N_ln j_l(z_ln x) of x = d / cutoff, [E, num_spherical, num_radial]."""
        x = (distances.detach() if first_order else distances).double()[:, None, None] / self.cutoff
        zeros, norms = x.new_tensor(radial_constants(self.sbf.num_spherical, self.sbf.num_radial))  # [S, R] each
        orders = torch.arange(self.sbf.num_spherical, device=x.device)[:, None]
        arguments = zeros * x  # [E, S, R]
        bessel, following = spherical_bessel(arguments)
        envelope = polynomial_envelope(x, self.rbf.envelope.p) * norms
        values = (envelope * bessel).to(distances.dtype)
        if not first_order:
            return values
        slopes = orders * bessel / x - zeros * following  # z j_l'(z x), where j_l'(y) = l / y j_l - j_(l+1)
        slopes = envelope_slope(x, self.rbf.envelope.p) * norms * bessel + envelope * slopes
        return to_first_order(distances, values, (slopes / self.cutoff).to(distances.dtype))

    def harmonics(self, directions: Tensor, graph: TripletGraph, first_order: bool) -> Tensor:
        """Return Y_l0 of the angle of each triplet, zero in the padding, [N * K, num_spherical, M].

        Args:
            directions: [E, 3], unit vectors of the edges.
            graph: edges and triplets.
            first_order: use the form without higher derivatives by the positions.
        """
        if self.angle_gradients == "stock":
            directions = directions.detach()
        incoming = directions.index_select(0, graph.incoming.flatten()).unflatten(0, graph.incoming.shape)
        outgoing = directions.index_select(0, graph.outgoing.flatten()).unflatten(0, graph.outgoing.shape)
        cosines = torch.bmm(incoming, outgoing.transpose(1, 2))  # [N, K, M]
        # expanded, for traces to know that the sizes are equal
        mask = graph.triplets.expand(cosines.shape).flatten(0, 1)[:, None]
        cosines = cosines.flatten(0, 1)  # [N * K, M]
        if not first_order:
            return zonal_harmonics(cosines, self.sbf.num_spherical) * mask
        values, slopes = zonal_harmonics_and_slopes(cosines.detach(), self.sbf.num_spherical)
        values, slopes = values * mask, slopes * mask
        return values if self.angle_gradients == "stock" else values + (cosines - cosines.detach())[:, None] * slopes

    def embedding(self, numbers: Tensor, rbf: Tensor, edges: EdgeGraph) -> Tensor:
        """Return the first features of the edges, [E, hidden_channels]."""
        layer = self.emb
        atoms = layer.emb(numbers)  # [N, H]
        radial = torch.addmm(layer.lin_rbf.bias, rbf, layer.lin_rbf.weight.t().contiguous())  # see output_gates
        radial = activate(layer.act, radial)  # [E, H]
        # lin of [x_i, x_j, radial], with the products of the atoms taken before their features are copied to the edges
        target, source, edge = layer.lin.weight.chunk(3, dim=1)  # [H, H] each
        x = torch.addmm(layer.lin.bias, radial, edge.t())
        x = x + (atoms @ target.t()).index_select(0, edges.target) + (atoms @ source.t()).index_select(0, edges.source)
        return activate(layer.act, x)


def to_first_order(distances: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
    """Return values [E, ...] with the given derivatives by the distances [E], and none of higher order."""
    zeros = (distances - distances.detach()).reshape(-1, *(1,) * (values.dim() - 1))
    return values + zeros * slopes


class DimeNetPlusPlus(DimeNetPlusPlusPotential):
    """DimeNet++ with parts built here.

    Args:
        regress_forces: whether forces are predicted as well.
        hidden_channels: features of an edge.
        num_blocks: the number of interaction blocks.
        int_emb_size: features of an edge in the sum over triplets.
        basis_emb_size: the size to which the bases are reduced.
        out_emb_channels: features of an atom in the output blocks.
        num_spherical: the number of harmonics.
        num_radial: the number of radial functions.
        cutoff: the longest edge, in Å.
        envelope_exponent: the exponent of the envelope.
        num_before_skip: residual layers of an interaction block before its skip connection.
        num_after_skip: residual layers after it.
        num_output_layers: layers of an output block.
        angle_gradients: ``exact``, or ``stock`` for angles without gradients.

    Raises:
        UserError: a size is too small, or ``angle_gradients`` is unknown.
    """

    def __init__(
        self,
        regress_forces: bool = True,
        hidden_channels: int = 128,
        num_blocks: int = 4,
        int_emb_size: int = 64,
        basis_emb_size: int = 8,
        out_emb_channels: int = 256,
        num_spherical: int = 7,
        num_radial: int = 6,
        cutoff: float = 10.0,
        envelope_exponent: int = 5,
        num_before_skip: int = 1,
        num_after_skip: int = 2,
        num_output_layers: int = 3,
        angle_gradients: str = "exact",
    ) -> None:
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = cutoff
        check_sizes(1, hidden_channels=hidden_channels, int_emb_size=int_emb_size, basis_emb_size=basis_emb_size)
        check_sizes(1, out_emb_channels=out_emb_channels, num_spherical=num_spherical, num_radial=num_radial)
        check_sizes(1, envelope_exponent=envelope_exponent)
        check_sizes(0, num_blocks=num_blocks, num_before_skip=num_before_skip, num_after_skip=num_after_skip)
        check_sizes(0, num_output_layers=num_output_layers)
        if angle_gradients not in ("exact", "stock"):
            raise UserError(f"model.angle_gradients: got {angle_gradients!r}, expected 'exact' or 'stock'")
        self.angle_gradients = angle_gradients

        act = nn.SiLU()  # one object in all places, as in fairchem
        self.rbf = layers.BesselBasis(num_radial, cutoff, envelope_exponent)
        self.sbf = layers.SphericalBasis(num_spherical, num_radial)
        self.emb = layers.Embedding(num_radial, hidden_channels, act)
        self.output_blocks = nn.ModuleList(
            layers.Output(num_radial, hidden_channels, out_emb_channels, num_output_layers, act)
            for _ in range(num_blocks + 1)
        )
        self.interaction_blocks = nn.ModuleList(
            layers.Interaction(
                hidden_channels,
                int_emb_size,
                basis_emb_size,
                num_spherical,
                num_radial,
                num_before_skip,
                num_after_skip,
                act,
            )
            for _ in range(num_blocks)
        )
        # fairchem draws each initial value twice; the same here, for the same weights from the same seed
        for part in (self.emb, *self.output_blocks, *self.interaction_blocks):
            part.reset_parameters()
