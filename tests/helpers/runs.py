"""Runs of fairchem's main in this process, and what they leave behind."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

import ocp_dc.fairchem1 as _plugin  # registers the names that the configs use
from ocp_dc.cli import main

assert _plugin

MODEL: dict[str, Any] = {
    "name": "dc_schnet",
    "hidden_channels": 16,
    "num_filters": 16,
    "num_interactions": 2,
    "num_gaussians": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

DIMENETPLUSPLUS: dict[str, Any] = {
    "name": "dc_dimenetplusplus",
    "hidden_channels": 16,
    "num_blocks": 2,
    "int_emb_size": 8,
    "basis_emb_size": 4,
    "out_emb_channels": 16,
    "num_spherical": 3,
    "num_radial": 3,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

GEMNET: dict[str, Any] = {
    "name": "dc_gemnet_t",
    "num_spherical": 3,
    "num_radial": 6,
    "num_blocks": 2,
    "emb_size_atom": 12,
    "emb_size_edge": 12,
    "emb_size_trip": 8,
    "emb_size_rbf": 6,
    "emb_size_cbf": 6,
    "emb_size_bil_trip": 8,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

CGCNN: dict[str, Any] = {
    "name": "dc_cgcnn",
    "atom_embedding_size": 16,
    "num_graph_conv_layers": 2,
    "fc_feat_size": 16,
    "num_fc_layers": 3,
    "num_gaussians": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

FORCENET: dict[str, Any] = {
    "name": "dc_forcenet",
    "hidden_channels": 16,
    "num_interactions": 2,
    "num_freqs": 8,
    "decoder_hidden_channels": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

GEMNET_OC: dict[str, Any] = {
    "name": "dc_gemnet_oc",
    "num_spherical": 3,
    "num_radial": 6,
    "num_blocks": 1,
    "emb_size_atom": 12,
    "emb_size_edge": 10,
    "emb_size_trip_in": 6,
    "emb_size_trip_out": 6,
    "emb_size_quad_in": 4,
    "emb_size_quad_out": 4,
    "emb_size_aint_in": 6,
    "emb_size_aint_out": 6,
    "emb_size_rbf": 6,
    "emb_size_cbf": 6,
    "emb_size_sbf": 6,
    "num_before_skip": 1,
    "num_after_skip": 1,
    "num_concat": 1,
    "num_atom": 1,
    "num_output_afteratom": 2,
    "num_global_out_layers": 1,
    "num_atom_emb_layers": 1,
    "cutoff": 3.0,
    "cutoff_qint": 2.0,
    "cutoff_aeaint": 2.5,
    "cutoff_aint": 5.0,
    "sbf": {"name": "legendre_outer"},
    "quad_interaction": True,
    "atom_edge_interaction": True,
    "edge_atom_interaction": True,
    "atom_interaction": True,
    "use_pbc": False,
    "otf_graph": True,
}

PAINN: dict[str, Any] = {
    "name": "dc_painn",
    "hidden_channels": 16,
    "num_layers": 2,
    "num_rbf": 8,
    "cutoff": 5.0,
    "direct_forces": False,
    "use_pbc": False,
    "otf_graph": True,
}

ESEN: dict[str, Any] = {
    "name": "dc_esen",
    "sphere_channels": 8,
    "hidden_channels": 8,
    "edge_channels": 8,
    "num_distance_basis": 12,
    "num_layers": 2,
    "lmax": 2,
    "mmax": 2,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

# the same as a hydra, with gates in place of grids over the sphere
HYDRA: dict[str, Any] = {
    "name": "dc_hydra",
    "backbone": {
        **{key: value for key, value in ESEN.items() if key != "name"},
        "model": "esen_backbone",
        "act_type": "gate",
        "mlp_type": "spectral",
    },
    "heads": {"energy_and_forces": {"module": "esen_mlp_efs_head"}},
    "pass_through_head_outputs": True,
}

# those with direct forces, without names
GRAPH: dict[str, Any] = {"use_pbc": False, "otf_graph": True}
SCN: dict[str, Any] = {
    **GRAPH,
    "num_interactions": 1,
    "lmax": 2,
    "mmax": 1,
    "num_resolutions": 1,
    "sphere_channels": 8,
    "sphere_channels_reduce": 8,
    "hidden_channels": 8,
    "num_sphere_samples": 16,
    "num_basis_functions": 8,
    "distance_resolution": 0.2,
    "cutoff": 5.0,
}
ESCN: dict[str, Any] = {
    **GRAPH,
    "num_layers": 1,
    "lmax_list": [2],
    "mmax_list": [2],
    "sphere_channels": 8,
    "hidden_channels": 8,
    "edge_channels": 8,
    "num_sphere_samples": 16,
    "distance_resolution": 0.2,
    "cutoff": 5.0,
}
EQUIFORMER_V2: dict[str, Any] = {
    **GRAPH,
    "num_layers": 1,
    "sphere_channels": 8,
    "attn_hidden_channels": 8,
    "num_heads": 2,
    "attn_alpha_channels": 4,
    "attn_value_channels": 4,
    "ffn_hidden_channels": 8,
    "lmax_list": [2],
    "mmax_list": [2],
    "edge_channels": 8,
    "max_radius": 5.0,
}


@dataclass
class Run:
    """What a finished run left behind."""

    status: int
    folder: Path
    name: str

    def checkpoint(self, file: str = "checkpoint.pt") -> Path:
        return self.folder / "checkpoints" / self.name / file

    def load(self, file: str = "checkpoint.pt") -> dict[str, Any]:
        return torch.load(self.checkpoint(file), weights_only=True)

    def result(self, file: str) -> Path:
        return self.folder / "results" / self.name / file

    def json(self, file: str) -> Any:
        return json.loads(self.result(file).read_text())

    def validations(self) -> list[dict[str, str]]:
        with self.result("validation.csv").open(newline="") as lines:
            return list(csv.DictReader(lines))


_names = (f"run{number}" for number in itertools.count())


def run_main(
    folder: Path, config: dict[str, Any], *arguments: str, mode: str = "train", name: str = "", cpu: bool = True
) -> Run:
    """Write a config and run ``ocp-dc main`` on it in this process."""
    name = name or next(_names)
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(config))
    fixed = ["main", "--mode", mode, "--config-yml", str(path), *(["--cpu"] if cpu else []), "--run-dir", str(folder)]
    status = main([*fixed, "--timestamp-id", name, "--print-every", "1000", *arguments])
    return Run(status, folder, name)
