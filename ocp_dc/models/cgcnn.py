"""CGCNN (Xie and Grossman, arXiv 1710.10324) as in the OC20 baselines (arXiv 2010.09990).

Arguments and parameters have the names that they have in the baselines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ocp_dc.models.features import ElementTable, GaussianBasis
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_mean, scatter_sum
from ocp_dc.surgery import RegionTable

# after the mean over the atoms: the activation between convolutions and fully connected layers, and those of the latter
_OUTPUT = (r"^(conv_to_fc|fcs)\.",)

CGCNN_REGIONS = RegionTable(
    output=_OUTPUT,
    paper=_OUTPUT,  # the published runs keep the Softplus and Sigmoid of the convolutions
    gates=(r"^convs\.\d+\.gate$",),
    source="arXiv 2310.01649, section 4; ocp_dc/models/cgcnn.py",
)


class CGCNNConv(nn.Module):
    """One convolution: x_i' = softplus(x_i + LN(Σ_j sigmoid(f_ij) softplus(s_ij))), [f_ij, s_ij] = BN(W z_ij + b).

    z_ij concatenates the features of both atoms and of the edge. This is equation 5 of arXiv 1710.10324 with the
    normalization layers of the OC20 baseline; without them it is softplus of torch_geometric's ``CGConv``.

    Args:
        node_dim: the number of features of an atom.
        edge_dim: the number of features of an edge.
    """

    def __init__(self, node_dim: int, edge_dim: int) -> None:
        super().__init__()
        self.lin1 = nn.Linear(2 * node_dim + edge_dim, 2 * node_dim)
        self.bn1 = nn.BatchNorm1d(2 * node_dim)
        self.gate = nn.Sigmoid()
        self.core = nn.Softplus()
        self.ln1 = nn.LayerNorm(node_dim)
        self.activation = nn.Softplus()
        nn.init.xavier_uniform_(self.lin1.weight)
        nn.init.zeros_(self.lin1.bias)

    def forward(self, x: Tensor, edges: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the new features [N, node_dim] of the atoms.

        Args:
            x: [N, node_dim], features of the atoms.
            edges: [E, edge_dim], features of the edges.
            graph: the edges.
        """
        pairs = [x.index_select(0, graph.target), x.index_select(0, graph.source), edges]
        gates, cores = self.bn1(self.lin1(torch.cat(pairs, dim=1))).chunk(2, dim=1)  # [E, node_dim] each
        messages = self.gate(gates) * self.core(cores)
        return self.activation(self.ln1(scatter_sum(messages, graph.target, x.shape[0])) + x)


class CGCNN(Potential[EdgeGraph]):
    """Convolutions, the mean over the atoms of a structure, and fully connected layers.

    The mean makes the energy intensive: two molecules far apart do not have twice the energy of one. As in the
    original, there is no envelope: the energy jumps when an atom crosses the cutoff.

    Args:
        features: atomic number -> features of the element, see :class:`ElementTable`.
        regress_forces: whether forces, -dE/dx, are predicted as well.
        atom_embedding_size: features of an atom.
        num_graph_conv_layers: the number of convolutions.
        fc_feat_size: the width of the fully connected layers.
        num_fc_layers: the number of fully connected layers, not counting the last one, which returns the energy.
        cutoff: the longest edge, in Å.
        num_gaussians: the number of Gaussians that an edge's length is expanded in.

    Raises:
        UserError: a size is too small.
    """

    def __init__(
        self,
        features: Mapping[int, Sequence[float]],
        regress_forces: bool = True,
        atom_embedding_size: int = 64,
        num_graph_conv_layers: int = 6,
        fc_feat_size: int = 128,
        num_fc_layers: int = 4,
        cutoff: float = 6.0,
        num_gaussians: int = 50,
    ) -> None:
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = cutoff
        check_sizes(1, atom_embedding_size=atom_embedding_size, num_graph_conv_layers=num_graph_conv_layers)
        check_sizes(1, fc_feat_size=fc_feat_size, num_fc_layers=num_fc_layers)
        check_sizes(2, num_gaussians=num_gaussians)
        self.elements = ElementTable(features)
        self.embedding_fc = nn.Linear(self.elements.width, atom_embedding_size)
        self.distance_expansion = GaussianBasis(0.0, cutoff, num_gaussians)
        self.convs = nn.ModuleList(CGCNNConv(atom_embedding_size, num_gaussians) for _ in range(num_graph_conv_layers))
        self.conv_to_fc = nn.Sequential(nn.Linear(atom_embedding_size, fc_feat_size), nn.Softplus())
        fcs: list[nn.Module] = []
        for _ in range(num_fc_layers - 1):
            fcs += [nn.Linear(fc_feat_size, fc_feat_size), nn.Softplus()]
        self.fcs = nn.Sequential(*fcs)
        self.fc_out = nn.Linear(fc_feat_size, 1)

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements without features; raises UserError."""
        self.elements.check(numbers)

    def build_graph(self, edges: EdgeGraph) -> EdgeGraph:
        """Return the edges."""
        return edges

    def energy(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        distances = graph.vectors(positions).norm(dim=-1, keepdim=True)  # [E, 1]
        edges = self.distance_expansion(distances)  # [E, num_gaussians]
        x = self.embedding_fc(self.elements(numbers))  # [N, atom_embedding_size]
        for conv in self.convs:
            x = conv(x, edges, graph)
        pooled = scatter_mean(x, graph.batch, graph.count)  # [B, atom_embedding_size]
        return self.fc_out(self.fcs(self.conv_to_fc(pooled)))
