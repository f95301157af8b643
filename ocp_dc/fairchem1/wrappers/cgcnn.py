"""CGCNN (Xie and Grossman, arXiv 1710.10324) with a ``dc:`` block: ``dc_cgcnn``."""

from __future__ import annotations

from typing import Any

from ocp_dc.fairchem1.models.cgcnn import CGCNN
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.cgcnn import CGCNN_REGIONS
from ocp_dc.models.graph import EdgeGraph


@register("dc_cgcnn")
class DCCGCNN(NativeModel, CGCNN):
    """CGCNN with a ``dc:`` block."""

    dc_regions = CGCNN_REGIONS

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch; raises UserError for an element that the model does not support."""
        return self.graph(data)
