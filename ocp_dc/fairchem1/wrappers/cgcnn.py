"""CGCNN (Xie and Grossman, arXiv 1710.10324) with a ``dc:`` block: ``dc_cgcnn``."""

from __future__ import annotations

from typing import Any

from ocp_dc.fairchem1.models.cgcnn import CGCNN
from ocp_dc.fairchem1.wrappers.dc_model import register
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.surgery import RegionTable

# after the mean over the atoms: the activation between convolutions and fully connected layers, and those of the latter
_OUTPUT = (r"^(conv_to_fc|fcs)\.",)


@register("dc_cgcnn")
class DCCGCNN(NativeModel, CGCNN):
    """CGCNN with a ``dc:`` block."""

    dc_regions = RegionTable(
        output=_OUTPUT,
        paper=_OUTPUT,  # the published runs keep the Softplus and Sigmoid of the convolutions
        gates=(r"^convs\.\d+\.gate$",),
        source="arXiv 2310.01649, section 4; ocp_dc/models/cgcnn.py",
    )

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch; raises UserError for an element that the model does not support."""
        return self.graph(data)
