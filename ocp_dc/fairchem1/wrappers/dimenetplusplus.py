"""DimeNet++ (Gasteiger et al., arXiv 2011.14115) with a ``dc:`` block: ``dc_dimenetplusplus``.

Fairchem detaches the positions in the angles, so that its forces are not -dE/dx. If the ``dc:`` block changes anything,
this wrapper computes the energy from the cosines of the angles. It is the same function, and has derivatives of every
order even if three atoms are on a line.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import torch
from fairchem.core.common.utils import conditional_grad
from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrap
from torch import Tensor
from torch_geometric.utils import scatter

from ocp_dc.core.options import option
from ocp_dc.fairchem1.wrappers.dc_model import DCModel, register
from ocp_dc.fairchem1.wrappers.gradient_options import GradientOptions
from ocp_dc.surgery import RegionTable


@dataclasses.dataclass(frozen=True)
class DimeNetPlusPlusOptions(GradientOptions):
    """The ``dc:`` block of DimeNet++."""

    gradient_key: ClassVar[str] = "angle_gradients"
    not_for_others: ClassVar[str] = "{name} detaches no angles, so that the key means nothing here; remove it"

    angle_gradients: str | None = option(
        None,
        help="models with detached angles only: exact or stock; exact if the block changes anything",
        choices=("exact", "stock"),
    )


@dataclasses.dataclass(frozen=True)
class TripletGraph:
    """Edges j -> i and triplets k -> j -> i of a batch; carries no gradient.

    Args:
        source: int64 [E], the atom j of each edge.
        target: int64 [E], the atom i of each edge.
        offsets: [E, 3], added to pos[j] - pos[i] for periodic boundaries, in Å.
        kj: int64 [T], the edge k -> j of each triplet.
        ji: int64 [T], the edge j -> i of each triplet.
    """

    source: Tensor
    target: Tensor
    offsets: Tensor
    kj: Tensor
    ji: Tensor


@register("dc_dimenetplusplus")
class DCDimeNetPlusPlus(DCModel, DimeNetPlusPlusWrap):
    """DimeNet++ with a ``dc:`` block, on cosines; fairchem's forward if the block changes nothing."""

    dc_regions = RegionTable(
        # the layers that turn the messages of a block into its share of each atom's energy
        output=(r"^output_blocks\.\d+\.act$",),
        source="arXiv 2310.01649, section 4; fairchem/core/models/dimenet_plus_plus.py",
    )
    dc_options_class = DimeNetPlusPlusOptions
    dc_options: DimeNetPlusPlusOptions

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return super().conservative and self.angle_gradients == "exact"

    @property
    def angle_gradients(self) -> str:
        """``exact``, or ``stock`` if the angles are detached."""
        return self.dc_options.resolved_gradients

    @conditional_grad(torch.enable_grad())
    def _forward(self, data: Any) -> Tensor:
        if self.dc_options.is_stock:
            return super()._forward(data)
        return self.energy(data.atomic_numbers.long(), data.pos, data.batch, self.triplet_graph(data))

    @torch.no_grad()
    def triplet_graph(self, data: Any) -> TripletGraph:
        """Find the edges and triplets of a batch, as fairchem does."""
        graph = self.generate_graph(data)
        source, target = graph.edge_index
        *_, kj, ji = self.triplets(graph.edge_index, graph.cell_offsets, num_nodes=len(data.pos))
        return TripletGraph(source, target, graph.offset_distances, kj, ji)

    def energy(self, numbers: Tensor, positions: Tensor, batch: Tensor | None, graph: TripletGraph) -> Tensor:
        """Return the energy of each structure, [B, 1], or [1] without ``batch``.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            batch: int64 [N], the structure of each atom; None for one structure.
            graph: edges and triplets.
        """
        i, j = graph.target, graph.source
        vectors = positions.index_select(0, j) - positions.index_select(0, i) + graph.offsets  # [E, 3]
        distances = vectors.norm(dim=-1)  # [E]
        directions = vectors / distances[:, None]  # [E, 3]
        if self.angle_gradients == "stock":
            directions = directions.detach()
        # the cosine instead of the angle, whose derivative is infinite if the atoms are on a line
        cosines = (directions.index_select(0, graph.ji) * directions.index_select(0, graph.kj)).sum(-1)  # [T]

        rbf = self.rbf(distances)  # [E, num_radial]
        sbf = spherical_basis(self.sbf, distances, cosines, graph.kj)  # [T, num_spherical * num_radial]
        x = self.emb(numbers, rbf, i, j)  # [E, hidden_channels]
        atoms = self.output_blocks[0](x, rbf, i, num_nodes=len(positions))  # [N, 1]
        for interaction, output in zip(self.interaction_blocks, self.output_blocks[1:], strict=True):
            x = interaction(x, rbf, sbf, graph.kj, graph.ji)
            atoms = atoms + output(x, rbf, i, num_nodes=len(positions))
        return atoms.sum(dim=0) if batch is None else scatter(atoms, batch, dim=0)


def spherical_basis(layer: Any, distances: Tensor, cosines: Tensor, kj: Tensor) -> Tensor:
    """Return what torch_geometric's ``SphericalBasisLayer`` computes, from cosines instead of angles.

    Args:
        layer: the layer with sizes, cutoff, envelope and radial functions.
        distances: [E], in Å.
        cosines: [T], the cosine of the angle of each triplet.
        kj: int64 [T], the edge k -> j of each triplet, whose length is used.

    Returns:
        [T, num_spherical * num_radial], the radial index varying fastest.
    """
    scaled = distances / layer.cutoff
    radial = torch.stack([function(scaled) for function in layer.bessel_funcs], dim=1)  # [E, S * R]
    radial = (radial * layer.envelope(scaled)[:, None]).unflatten(1, (layer.num_spherical, layer.num_radial))
    angular = zonal_harmonics(cosines, layer.num_spherical)  # [T, S]
    return (radial.index_select(0, kj) * angular[:, :, None]).flatten(1)


def zonal_harmonics(cosines: Tensor, count: int) -> Tensor:
    """Return the spherical harmonics Y_l0 = sqrt((2l + 1) / 4π) P_l(cosine) of the orders l < ``count``.

    Args:
        cosines: [T], in [-1, 1].
        count: the number of orders.

    Returns:
        [T, count]; polynomials, so that every derivative is finite.
    """
    legendre = [torch.ones_like(cosines), cosines]
    for order in range(1, count - 1):  # Bonnet's recurrence
        next_order = (2 * order + 1) * cosines * legendre[order] - order * legendre[order - 1]
        legendre.append(next_order / (order + 1))
    factors = [math.sqrt((2 * order + 1) / (4 * math.pi)) for order in range(count)]
    return torch.stack([factor * value for factor, value in zip(factors, legendre, strict=False)], dim=1)
