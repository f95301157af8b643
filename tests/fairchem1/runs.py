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

MODEL = {
    "name": "dc_schnet",
    "hidden_channels": 16,
    "num_filters": 16,
    "num_interactions": 2,
    "num_gaussians": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

GEMNET = {
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

CGCNN = {
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

FORCENET = {
    "name": "dc_forcenet",
    "hidden_channels": 16,
    "num_interactions": 2,
    "num_freqs": 8,
    "decoder_hidden_channels": 12,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}

GEMNET_OC = {
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

PAINN = {
    "name": "dc_painn",
    "hidden_channels": 16,
    "num_layers": 2,
    "num_rbf": 8,
    "cutoff": 5.0,
    "direct_forces": False,
    "use_pbc": False,
    "otf_graph": True,
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
