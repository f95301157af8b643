"""ForceNet (Hu et al., arXiv 2103.01436), with forces from the original decoder or from the gradient of the energy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.models.features import ElementTable, GaussianBasis
from ocp_dc.models.forcenet_layers import Interaction, force_decoder
from ocp_dc.models.graph import EdgeGraph, check_sizes
from ocp_dc.models.potential import Potential
from ocp_dc.models.scatter import scatter_sum
from ocp_dc.nn import activation
from ocp_dc.surgery import RegionTable

SHORTEST = 1e-3  # of the cutoff: a lower bound on distances minus the radii of the atoms, as published
EDGE_FEATURES = 3 + 4  # the direction, and the distance in four forms


FORCENET_REGIONS = RegionTable(
    # lin - activation - energy_mlp turns the features of an atom into its energy
    output=(r"^activation$",),
    # the published runs also swap those of the filter networks and of the networks after the convolutions
    paper=("",),
    source="arXiv 2310.01649, section 4; ocp_dc/models/forcenet.py",
)


class ForceNet(Potential[EdgeGraph]):
    """Convolutions whose filters depend on both atoms and on the direction of an edge, and a sum over the atoms.

    Nine properties describe an element. Directions enter as x, y and z: the model is neither invariant nor equivariant
    under rotation, and can only learn this from rotated structures. As published, the energy has kinks: when the
    distance of two atoms equals their radii, and when it reaches the cutoff.

    Args:
        radii: atomic number -> radius in Å, one number in a list.
        properties: atomic number -> properties of the element; NaN for an unknown one.
        regress_forces: whether forces are predicted as well.
        direct_forces: whether forces come from a separate decoder, as in the original; if not, they are -dE/dx.
        hidden_channels: features of an atom.
        num_interactions: the number of convolutions.
        cutoff: the longest edge, in Å.
        num_freqs: the number of Gaussians that each input feature is expanded in.
        basis: ``gauss``, as in arXiv 2310.01649; the sine and spherical bases of the original are not implemented.
        depth_mlp_edge: activations in the network of a filter.
        depth_mlp_node: activations in the network after a convolution, each with a BatchNorm before it.
        activation_str: name of the activation.
        decoder_hidden_channels: features of an atom from which energy and direct forces are made.
        decoder_type: ``mlp`` or ``linear``, for direct forces only.
        decoder_activation_str: name of the decoder's activation.

    Raises:
        UserError: a size is too small, or a name is unknown.
    """

    def __init__(
        self,
        radii: Mapping[int, Sequence[float]],
        properties: Mapping[int, Sequence[float]],
        regress_forces: bool = True,
        direct_forces: bool = False,
        hidden_channels: int = 512,
        num_interactions: int = 5,
        cutoff: float = 6.0,
        num_freqs: int = 50,
        basis: str = "gauss",
        depth_mlp_edge: int = 2,
        depth_mlp_node: int = 1,
        activation_str: str = "swish",
        decoder_hidden_channels: int = 512,
        decoder_type: str = "mlp",
        decoder_activation_str: str = "swish",
    ) -> None:
        super().__init__()
        self.regress_forces = regress_forces
        self.cutoff = cutoff
        self.direct_forces = direct_forces
        check_sizes(1, hidden_channels=hidden_channels, num_interactions=num_interactions)
        check_sizes(1, depth_mlp_edge=depth_mlp_edge, depth_mlp_node=depth_mlp_node)
        check_sizes(1, decoder_hidden_channels=decoder_hidden_channels)
        check_sizes(2, num_freqs=num_freqs)
        if basis != "gauss":
            raise UserError(f"model.basis: got {basis!r}, expected 'gauss', the only one of ForceNet's bases here")

        self.radii = ElementTable(radii)
        self.basis = GaussianBasis(0.0, 1.0, num_freqs)
        self.elements = ElementTable(properties, unit_range=True)
        self.embedding = nn.Linear(self.elements.width * num_freqs, hidden_channels)
        self.interactions = nn.ModuleList(
            Interaction(hidden_channels, EDGE_FEATURES * num_freqs, depth_mlp_edge, depth_mlp_node, activation_str)
            for _ in range(num_interactions)
        )
        self.lin = nn.Linear(hidden_channels, decoder_hidden_channels)
        self.activation = activation(activation_str)
        self.energy_mlp = nn.Linear(decoder_hidden_channels, 1)
        if regress_forces and direct_forces:
            self.decoder = force_decoder(decoder_type, decoder_hidden_channels, decoder_activation_str)

    def energy_and_forces(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph) -> tuple[Tensor, Tensor]:
        """Return energies [B, 1] and forces [N, 3]; see :meth:`Potential.energy_and_forces`."""
        if not self.direct_forces:
            return super().energy_and_forces(numbers, positions, graph)
        x = self.atoms(numbers, positions, graph)
        return self.pool(x, graph), self.decoder(x)

    def check_elements(self, numbers: Tensor) -> None:
        """Refuse elements without a radius or with a missing property; raises UserError."""
        self.radii.check(numbers)
        self.elements.check(numbers)

    def build_graph(self, edges: EdgeGraph) -> EdgeGraph:
        """Return the edges."""
        return edges

    def energy(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph, *, first_order: bool = False) -> Tensor:
        """Return the energy of each structure, [B, 1]; see :meth:`Potential.energy`."""
        return self.pool(self.atoms(numbers, positions, graph), graph)

    def pool(self, x: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the energies [B, 1] of structures whose atoms have the features ``x`` [N, decoder_hidden_channels]."""
        return self.energy_mlp(scatter_sum(x, graph.batch, graph.count))

    def atoms(self, numbers: Tensor, positions: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the features of the atoms after all convolutions, [N, decoder_hidden_channels]."""
        vectors = graph.vectors(positions)
        distances = vectors.norm(dim=-1, keepdim=True)  # [E, 1]
        edges = self.basis(self.edge_features(numbers, vectors, distances, graph))  # [E, EDGE_FEATURES * num_freqs]
        weights = torch.cos(0.5 * math.pi * distances / self.cutoff)  # [E, 1]
        x = self.embedding(self.basis(self.elements(numbers)))  # [N, hidden_channels]
        for interaction in self.interactions:
            x = x + interaction(x, edges, weights, graph)
        return self.activation(self.lin(x))

    def edge_features(self, numbers: Tensor, vectors: Tensor, distances: Tensor, graph: EdgeGraph) -> Tensor:
        """Return the features of the edges, [E, EDGE_FEATURES], in [0, 1].

        They are the shifted direction and, in units of the cutoff, the distance, the distance minus the radius of each
        atom, and the distance minus both radii.
        """
        radii = self.radii(numbers)  # [N, 1]
        source, target = radii.index_select(0, graph.source), radii.index_select(0, graph.target)
        lengths = [distances, distances - source, distances - target, distances - source - target]
        lengths_in_cutoffs = (torch.cat(lengths, dim=1) / self.cutoff).clamp(min=SHORTEST)  # [E, 4]
        return torch.cat([(vectors / distances + 1) / 2, lengths_in_cutoffs], dim=1)
