"""Surgery on a network: swap activations by region, remove and insert norms, insert dropout, and report it."""

from ocp_dc.surgery.apply import apply_surgery
from ocp_dc.surgery.canonical import canonical_dc
from ocp_dc.surgery.insert import batch_statistics
from ocp_dc.surgery.norms import FittedGain, RemovedNorm, fitting_gains, remove_norms
from ocp_dc.surgery.options import DCOptions
from ocp_dc.surgery.regions import RegionTable
from ocp_dc.surgery.regularized_activation import RegularizedActivation
from ocp_dc.surgery.report import Insertion, Removal, Report, Swap
from ocp_dc.surgery.sites import Site, find_sites

__all__ = [
    "DCOptions",
    "FittedGain",
    "Insertion",
    "RegionTable",
    "RegularizedActivation",
    "Removal",
    "RemovedNorm",
    "Report",
    "Site",
    "Swap",
    "apply_surgery",
    "batch_statistics",
    "canonical_dc",
    "find_sites",
    "fitting_gains",
    "remove_norms",
]
