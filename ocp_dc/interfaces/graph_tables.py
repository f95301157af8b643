"""The graphs of the potentials as lists of tensors, from edges, by modules that TorchScript compiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocp_dc.models.dimenetplusplus_graph import triplet_blocks
from ocp_dc.models.gemnet_graph import is_first
from ocp_dc.models.pairs import pair_rows
from ocp_dc.models.triplets import padded_groups


class SchNetTables(nn.Module):
    """The tensors of a :class:`~ocp_dc.models.pairs.PairGraph`."""

    def forward(self, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, list[Tensor]]:
        """Return which edges are those of the graph, int64 [P], and the tensors that follow them in the graph.

        Args:
            source: int64 [E].
            target: int64 [E].
            images: int64 [E, 3].
            atoms: the number of atoms, N.
        """
        rows, others = pair_rows(source, target, images, atoms)
        return rows, [source[others], target[others]]


class UnpairedTables(nn.Module):
    """The same for filters that differ between the edges of a pair, as with a norm inserted in them."""

    def forward(self, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, list[Tensor]]:
        """See :class:`SchNetTables`."""
        return torch.arange(len(source), device=source.device), [source[:0], target[:0]]


class PaiNNTables(nn.Module):
    """The edges of PaiNN, one of each pair."""

    def forward(self, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, list[Tensor]]:
        """See :class:`SchNetTables`."""
        return is_first(source, target, images).nonzero().squeeze(1), []


class DimeNetPlusPlusTables(nn.Module):
    """The tensors of a :class:`~ocp_dc.models.dimenetplusplus_graph.TripletGraph`."""

    def forward(self, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, list[Tensor]]:
        """See :class:`SchNetTables`."""
        incoming, outgoing, triplets, places = triplet_blocks(source, target, images, atoms)
        return torch.arange(len(source), device=source.device), [incoming, outgoing, triplets, places]


class GemNetTTables(nn.Module):
    """The tensors of a :class:`~ocp_dc.models.gemnet_graph.GemNetGraph`."""

    def forward(self, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> tuple[Tensor, list[Tensor]]:
        """See :class:`SchNetTables`."""
        rows = is_first(source, target, images).nonzero().squeeze(1)
        both = torch.cat([source[rows], target[rows]]), torch.cat([target[rows], source[rows]])
        incoming, is_edge, slots = padded_groups(both[1], atoms)
        return rows, [both[0], both[1], incoming, is_edge, slots]


TABLES: dict[str, type[nn.Module]] = {
    "schnet": SchNetTables,
    "painn": PaiNNTables,
    "dimenetplusplus": DimeNetPlusPlusTables,
    "gemnet_t": GemNetTTables,
}
