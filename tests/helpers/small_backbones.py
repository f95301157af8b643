"""The native backbones of fairchem 2 with the arguments of small models."""

from __future__ import annotations

from typing import Any

import torch
from fairchem.core.models.base import HydraModel

from ocp_dc.surgery import DCOptions

HEADS = {"efs": {"module": "ocp_dc.fairchem2.heads.GradientHead"}}
FOLDER = "ocp_dc.fairchem2.backbones"

SCHNET: dict[str, Any] = {
    "model": f"{FOLDER}.schnet.SchNetBackbone",
    "hidden_channels": 8,
    "num_filters": 8,
    "num_interactions": 2,
    "num_gaussians": 10,
    "cutoff": 4.0,
}
DIMENETPLUSPLUS: dict[str, Any] = {
    "model": f"{FOLDER}.dimenetplusplus.DimeNetPlusPlusBackbone",
    "hidden_channels": 8,
    "num_blocks": 2,
    "int_emb_size": 6,
    "basis_emb_size": 4,
    "out_emb_channels": 8,
    "num_spherical": 3,
    "num_radial": 4,
    "num_output_layers": 1,
    "cutoff": 4.0,
}
GEMNET_T: dict[str, Any] = {
    "model": f"{FOLDER}.gemnet_t.GemNetTBackbone",
    "num_spherical": 4,
    "num_radial": 6,
    "num_blocks": 2,
    "emb_size_atom": 8,
    "emb_size_edge": 12,
    "emb_size_trip": 6,
    "emb_size_rbf": 5,
    "emb_size_cbf": 3,
    "emb_size_bil_trip": 7,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
    "cutoff": 4.0,
}
GEMNET_OC: dict[str, Any] = {
    "model": f"{FOLDER}.gemnet_oc.GemNetOCBackbone",
    "num_spherical": 3,
    "num_radial": 4,
    "num_blocks": 1,
    "emb_size_atom": 8,
    "emb_size_edge": 10,
    "emb_size_trip_in": 6,
    "emb_size_trip_out": 6,
    "emb_size_quad_in": 4,
    "emb_size_quad_out": 4,
    "emb_size_aint_in": 6,
    "emb_size_aint_out": 6,
    "emb_size_rbf": 4,
    "emb_size_cbf": 4,
    "emb_size_sbf": 4,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
    "num_output_afteratom": 1,
    "num_global_out_layers": 1,
    "cutoff": 4.0,
    "cutoff_qint": 2.3,
    "cutoff_aeaint": 3.5,
    "cutoff_aint": 5.0,
    "sbf": {"name": "legendre_outer"},
    "quad_interaction": True,
    "atom_edge_interaction": True,
    "edge_atom_interaction": True,
    "atom_interaction": True,
}
PAINN: dict[str, Any] = {
    "model": f"{FOLDER}.painn.PaiNNBackbone",
    "hidden_channels": 8,
    "num_layers": 2,
    "num_rbf": 8,
    "cutoff": 4.0,
}
CGCNN: dict[str, Any] = {
    "model": f"{FOLDER}.cgcnn.CGCNNBackbone",
    "atom_embedding_size": 8,
    "num_graph_conv_layers": 2,
    "fc_feat_size": 8,
    "num_fc_layers": 2,
    "num_gaussians": 10,
    "cutoff": 4.0,
}
FORCENET: dict[str, Any] = {
    "model": f"{FOLDER}.forcenet.ForceNetBackbone",
    "hidden_channels": 8,
    "num_interactions": 2,
    "num_freqs": 6,
    "decoder_hidden_channels": 8,
    "cutoff": 4.0,
}
DIRECT_FORCENET = {**FORCENET, "direct_forces": True}


def small_model(backbone: dict[str, Any], accelerate: str = "native", **changes: Any) -> Any:
    """Return fairchem's own model with a backbone, from a fixed seed."""
    torch.manual_seed(1)
    model = HydraModel(backbone={**backbone, **changes}, heads=HEADS, pass_through_head_outputs=True)
    model.backbone.set_acceleration(DCOptions(accelerate=accelerate))
    return model
