"""CGCNN (Xie and Grossman, arXiv 1710.10324) as a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairchem.core.datasets.embeddings import KHOT_EMBEDDINGS, QMOF_KHOT_EMBEDDINGS

from ocp_dc.core.errors import unknown_name
from ocp_dc.fairchem2.backbones.native import NativeBackbone
from ocp_dc.models.cgcnn import CGCNN, CGCNN_REGIONS

EMBEDDINGS = {"khot": KHOT_EMBEDDINGS, "qmof": QMOF_KHOT_EMBEDDINGS}


class CGCNNBackbone(NativeBackbone):
    """CGCNN; see :class:`ocp_dc.models.cgcnn.CGCNN` for its arguments.

    Args:
        embeddings: features of the elements: ``khot``, of CGCNN (H to Fm), or ``qmof``, of the QMOF database.
        arguments: see :class:`NativeBackbone`.

    Raises:
        UserError: the embeddings are unknown.
    """

    potential_class = CGCNN
    dc_regions = CGCNN_REGIONS
    built_arguments = ("features",)

    def __init__(self, *, embeddings: str = "khot", **arguments: Any) -> None:
        if embeddings not in EMBEDDINGS:
            raise unknown_name("model.backbone.embeddings", embeddings, EMBEDDINGS)
        self._embeddings = embeddings
        super().__init__(**arguments)

    def build_potential(self, arguments: Mapping[str, Any]) -> CGCNN:
        """Return the potential with its features of the elements."""
        return CGCNN(EMBEDDINGS[self._embeddings], **arguments)
