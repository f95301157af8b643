"""The layers of ForceNet (arXiv 2103.01436): convolutions with conditional filters, and the force decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import unknown_name
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn import activation


class Interaction(nn.Module):
    """One convolution: MLP(Σ_j W_ij * V x_j + c * V x_i), with the filter W_ij = MLP([e_ij, x_j, x_i]).

    Args:
        hidden_channels: features of an atom, H.
        edge_features: features of an edge.
        depth_mlp_edge: activations in the filter's network.
        depth_mlp_node: activations in the network after the sum, each with a BatchNorm before it.
        activation_str: name of the activation.
    """

    def __init__(
        self, hidden_channels: int, edge_features: int, depth_mlp_edge: int, depth_mlp_node: int, activation_str: str
    ) -> None:
        super().__init__()
        self.lin_basis = nn.Linear(edge_features, hidden_channels)
        self.mlp_edge = _mlp(3 * hidden_channels, hidden_channels, depth_mlp_edge, activation_str, norms=False)
        self.lin = nn.Linear(hidden_channels, hidden_channels)
        self.mlp_trans = _mlp(hidden_channels, hidden_channels, depth_mlp_node, activation_str, norms=True)
        self.center_W = nn.Parameter(torch.empty(1, hidden_channels))
        nn.init.xavier_uniform_(self.center_W)
        _initialize(self)

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the update that is added to the features of the atoms, [N, H].

        Args:
            x: [N, H], features of the atoms.
            edges: [E, edge_features], features of the edges.
            weights: [E, 1], factors that fall to zero at the cutoff.
            graph: the edges.
        """
        pairs = [self.lin_basis(edges), x.index_select(0, graph.source), x.index_select(0, graph.target)]
        filters = self.mlp_edge(torch.cat(pairs, dim=1)) * weights  # [E, H]
        x = self.lin(x)
        messages = x.index_select(0, graph.source) * filters
        return self.mlp_trans(scatter_sum(messages, graph.target, x.shape[0]) + self.center_W * x)


def force_decoder(kind: str, channels: int, activation_str: str) -> nn.Sequential:
    """Return the network that predicts direct forces [N, 3] from features of the atoms [N, channels].

    Args:
        kind: ``mlp`` or ``linear``.
        channels: features of an atom.
        activation_str: name of the activation.

    Raises:
        UserError: the kind or the activation is unknown.
    """
    if kind == "linear":
        decoder = nn.Sequential(nn.Linear(channels, 3))
    elif kind == "mlp":
        decoder = nn.Sequential(
            nn.Linear(channels, channels), nn.BatchNorm1d(channels), activation(activation_str), nn.Linear(channels, 3)
        )
    else:
        raise unknown_name("model.decoder_type", kind, ("linear", "mlp"))
    _initialize(decoder)
    return decoder


def _mlp(inputs: int, channels: int, depth: int, activation_str: str, *, norms: bool) -> nn.Sequential:
    """Return a network with ``depth`` activations, each after a BatchNorm if ``norms`` is true."""
    layers: list[nn.Module] = [nn.Linear(inputs, channels)]
    for _ in range(depth):
        if norms:
            layers.append(nn.BatchNorm1d(channels))
        layers += [activation(activation_str), nn.Linear(channels, channels)]
    return nn.Sequential(*layers)


def _initialize(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
