"""DimeNet++ (Gasteiger et al., arXiv 2011.14115) with a ``dc:`` block: ``dc_dimenetplusplus``.

Fairchem detaches the positions in the angles, so that its forces are not -dE/dx. Exact angles are computed as cosines:
the energy is the same function, and has derivatives of every order even if three atoms are on a line.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import torch
from fairchem.core.common.utils import conditional_grad
from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrap
from torch import Tensor
from torch_geometric.utils import scatter

from ocp_dc.core.options import option
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.gradient_options import GradientOptions
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.dimenetplusplus import DIMENETPLUSPLUS_REGIONS, DimeNetPlusPlusPotential
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.legendre import zonal_harmonics


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


@register("dc_dimenetplusplus")
class DCDimeNetPlusPlus(NativeModel, DimeNetPlusPlusWrap, DimeNetPlusPlusPotential):
    """DimeNet++ with a ``dc:`` block; fairchem's forward if the block changes nothing."""

    dc_regions = DIMENETPLUSPLUS_REGIONS
    dc_options_class = DimeNetPlusPlusOptions
    dc_options: DimeNetPlusPlusOptions

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return super().conservative and self.angle_gradients == "exact"

    @property
    def angle_gradients(self) -> str:  # type: ignore[override]
        """``exact``, or ``stock`` if the angles are detached."""
        return self.dc_options.resolved_gradients

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B, 1], or [1] without ``data.batch``, and with ``regress_forces`` ``forces`` [N, 3]."""
        outputs = super().forward(data)
        if self.uses_native and data.batch is None:
            outputs["energy"] = outputs["energy"][0]
        return outputs

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch, as fairchem finds them; a batch without ``batch`` is one structure."""
        edges = super().find_edges(data)
        if data.batch is None:
            edges = dataclasses.replace(edges, batch=torch.zeros_like(data.atomic_numbers, dtype=torch.int64))
        return edges

    @conditional_grad(torch.enable_grad())
    def _forward(self, data: Any) -> Tensor:
        """Return the energies by fairchem's layers, for ``accelerate: off``."""
        if self.angle_gradients == "stock":
            return super()._forward(data)
        graph = self.generate_graph(data)  # its offsets depend on the cell, by which a stress differentiates
        with torch.no_grad():
            i, j = graph.edge_index[1], graph.edge_index[0]
            *_, kj, ji = self.triplets(graph.edge_index, graph.cell_offsets, num_nodes=len(data.pos))
        vectors = data.pos.index_select(0, j) - data.pos.index_select(0, i) + graph.offset_distances  # [E, 3]
        distances = vectors.norm(dim=-1)  # [E]
        directions = vectors / distances[:, None]  # [E, 3]
        # the cosine instead of the angle, whose derivative is infinite if the atoms are on a line
        cosines = (directions.index_select(0, ji) * directions.index_select(0, kj)).sum(-1)  # [T]

        rbf = self.rbf(distances)  # [E, num_radial]
        sbf = spherical_basis(self.sbf, distances, cosines, kj)  # [T, num_spherical * num_radial]
        x = self.emb(data.atomic_numbers.long(), rbf, i, j)  # [E, hidden_channels]
        atoms = self.output_blocks[0](x, rbf, i, num_nodes=len(data.pos))  # [N, 1]
        for interaction, output in zip(self.interaction_blocks, self.output_blocks[1:], strict=True):
            x = interaction(x, rbf, sbf, kj, ji)
            atoms = atoms + output(x, rbf, i, num_nodes=len(data.pos))
        return atoms.sum(dim=0) if data.batch is None else scatter(atoms, data.batch, dim=0)


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
