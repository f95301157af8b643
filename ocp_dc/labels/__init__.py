"""Label rescaling: options, fit, and conversion in both directions."""

from ocp_dc.labels.fit import Labels, fit, needs_data
from ocp_dc.labels.options import LabelOptions
from ocp_dc.labels.rescaling import LabelRescaling

__all__ = ["LabelOptions", "LabelRescaling", "Labels", "fit", "needs_data"]
