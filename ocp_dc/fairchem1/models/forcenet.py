"""ForceNet on fairchem's graphs, registered as ``forcenet``; the model is :class:`ocp_dc.models.forcenet.ForceNet`.

Fairchem removed it in January 2024. The arguments have the same names as there.
"""

from __future__ import annotations

from fairchem.core.common.registry import registry
from fairchem.core.datasets.embeddings import ATOMIC_RADII, CONTINUOUS_EMBEDDINGS

from ocp_dc.fairchem1.models.potential import GraphPotential
from ocp_dc.models import forcenet

RADII = {number: [radius / 100] for number, radius in ATOMIC_RADII.items()}  # pm to Å


@registry.register_model("forcenet")
class ForceNet(GraphPotential, forcenet.ForceNet):
    """ForceNet with fairchem's radii and properties of the elements.

    Args:
        use_pbc: whether boundaries are periodic.
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
        otf_graph: whether the model finds the edges; if not, they come with the data.
        max_neighbors: the largest number of edges that end at one atom.

    Raises:
        UserError: a size is too small, or a name is unknown.
    """

    def __init__(
        self,
        use_pbc: bool = True,
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
        otf_graph: bool = False,
        max_neighbors: int = 50,
    ) -> None:
        super().__init__(
            RADII,
            CONTINUOUS_EMBEDDINGS,
            regress_forces=regress_forces,
            direct_forces=direct_forces,
            hidden_channels=hidden_channels,
            num_interactions=num_interactions,
            cutoff=cutoff,
            num_freqs=num_freqs,
            basis=basis,
            depth_mlp_edge=depth_mlp_edge,
            depth_mlp_node=depth_mlp_node,
            activation_str=activation_str,
            decoder_hidden_channels=decoder_hidden_channels,
            decoder_type=decoder_type,
            decoder_activation_str=decoder_activation_str,
        )
        self.set_graph_options(use_pbc, otf_graph, max_neighbors)
