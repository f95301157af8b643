"""CGCNN (Xie and Grossman, arXiv 1710.10324) with a ``dc:`` block: ``dc_cgcnn``."""

from __future__ import annotations

from ocp_dc.fairchem1.models.cgcnn import CGCNN
from ocp_dc.fairchem1.wrappers.factory import make_wrapper
from ocp_dc.surgery import RegionTable

# what follows the mean over the atoms: the activation between convolutions and fully connected layers, and theirs
_OUTPUT = (r"^(conv_to_fc|fcs)\.",)

CGCNN_REGIONS = RegionTable(
    output=_OUTPUT,
    paper=_OUTPUT,  # the published runs leave the convolutions' Softplus and Sigmoid alone
    gates=(r"^convs\.\d+\.gate$",),
    source="arXiv 2310.01649, section 4; ocp_dc/fairchem1/models/cgcnn.py",
)

DCCGCNN = make_wrapper(
    "DCCGCNN",
    "dc_cgcnn",
    CGCNN,
    CGCNN_REGIONS,
    module=__name__,
    is_conservative=lambda model: bool(model.regress_forces),
)
