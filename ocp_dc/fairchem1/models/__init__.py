"""Models that fairchem 1.x no longer has, with its graph code and their old registered names."""

from ocp_dc.fairchem1.models.cgcnn import CGCNN
from ocp_dc.fairchem1.models.forcenet import ForceNet

__all__ = ["CGCNN", "ForceNet"]
