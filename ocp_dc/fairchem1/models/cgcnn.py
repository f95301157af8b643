"""CGCNN on fairchem's graphs, registered as ``cgcnn``; the model is :class:`ocp_dc.models.cgcnn.CGCNN`.

Fairchem removed it in January 2024. The arguments have the same names as there.
"""

from __future__ import annotations

from fairchem.core.common.registry import registry
from fairchem.core.datasets.embeddings import KHOT_EMBEDDINGS, QMOF_KHOT_EMBEDDINGS

from ocp_dc.core.errors import unknown_name
from ocp_dc.fairchem1.models.potential import GraphPotential
from ocp_dc.models import cgcnn

EMBEDDINGS = {"khot": KHOT_EMBEDDINGS, "qmof": QMOF_KHOT_EMBEDDINGS}


@registry.register_model("cgcnn")
class CGCNN(GraphPotential, cgcnn.CGCNN):
    """CGCNN with a choice of features for the elements.

    Args:
        use_pbc: whether boundaries are periodic.
        regress_forces: whether forces, -dE/dx, are predicted as well.
        atom_embedding_size: features of an atom.
        num_graph_conv_layers: the number of convolutions.
        fc_feat_size: the width of the fully connected layers.
        num_fc_layers: the number of fully connected layers, not counting the last one, which returns the energy.
        otf_graph: whether the model finds the edges; if not, they come with the data.
        cutoff: the longest edge, in Å.
        num_gaussians: the number of Gaussians that an edge's length is expanded in.
        embeddings: features of the elements: ``khot``, of CGCNN (H to Fm), or ``qmof``, of the QMOF database.
        max_neighbors: the largest number of edges that end at one atom.

    Raises:
        UserError: a size is too small, or the embeddings are unknown.
    """

    def __init__(
        self,
        use_pbc: bool = True,
        regress_forces: bool = True,
        atom_embedding_size: int = 64,
        num_graph_conv_layers: int = 6,
        fc_feat_size: int = 128,
        num_fc_layers: int = 4,
        otf_graph: bool = False,
        cutoff: float = 6.0,
        num_gaussians: int = 50,
        embeddings: str = "khot",
        max_neighbors: int = 50,
    ) -> None:
        if embeddings not in EMBEDDINGS:
            raise unknown_name("model.embeddings", embeddings, EMBEDDINGS)
        super().__init__(
            EMBEDDINGS[embeddings],
            regress_forces=regress_forces,
            atom_embedding_size=atom_embedding_size,
            num_graph_conv_layers=num_graph_conv_layers,
            fc_feat_size=fc_feat_size,
            num_fc_layers=num_fc_layers,
            cutoff=cutoff,
            num_gaussians=num_gaussians,
        )
        self.set_graph_options(use_pbc, otf_graph, max_neighbors)
