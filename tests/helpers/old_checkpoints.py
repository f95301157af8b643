"""Checkpoints of fairchem 1 made of native potentials, in the layouts that its versions wrote.

The public checkpoints of OC20 and OC22 cannot be had here. The layout before fairchem 1.0 is that of the config and the
weights which github.com/FAIR-Chem/fairchem shows in its issues 174 (config of schnet_200k.pt), 463 and 505 (names of
weights), and of what fairchem 1.10 reads of such files: ``update_config``, ``match_state_dict``, ``load_checkpoint``.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from ocp_dc.checkpoints.models import MODELS, ConvertibleModel

SCHNET = {"hidden_channels": 16, "num_filters": 16, "num_interactions": 2, "num_gaussians": 12, "cutoff": 5.0}
DIMENETPLUSPLUS = {
    "hidden_channels": 16,
    "num_blocks": 2,
    "int_emb_size": 8,
    "basis_emb_size": 4,
    "out_emb_channels": 16,
    "num_spherical": 3,
    "num_radial": 3,
    "cutoff": 5.0,
}
_SAME = {"num_before_skip": 1, "num_after_skip": 1, "num_concat": 1, "num_atom": 1, "num_spherical": 3, "num_radial": 6}
GEMNET_T = {
    **_SAME,
    "num_blocks": 2,
    "emb_size_atom": 12,
    "emb_size_edge": 12,
    "emb_size_trip": 8,
    "emb_size_rbf": 6,
    "emb_size_cbf": 6,
    "emb_size_bil_trip": 8,
    "cutoff": 5.0,
}
GEMNET_OC = {
    **_SAME,
    **{f"emb_size_{name}": 6 for name in ("trip_in", "trip_out", "quad_in", "quad_out", "aint_in", "aint_out")},
    **{f"emb_size_{name}": 6 for name in ("rbf", "cbf", "sbf")},
    "num_blocks": 1,
    "emb_size_atom": 12,
    "emb_size_edge": 10,
    "num_output_afteratom": 1,
    "cbf": {"name": "spherical_harmonics"},
    "sbf": {"name": "legendre_outer"},
    "quad_interaction": True,
    "atom_interaction": True,
    "cutoff": 4.0,
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "schnet": SCHNET,
    "dimenetplusplus": DIMENETPLUSPLUS,
    "gemnet_t": GEMNET_T,
    "painn": {"hidden_channels": 16, "num_layers": 2, "num_rbf": 8, "cutoff": 5.0},
    "cgcnn": {"atom_embedding_size": 16, "num_graph_conv_layers": 2, "fc_feat_size": 16, "num_gaussians": 12},
    "forcenet": {"hidden_channels": 16, "num_interactions": 2, "num_freqs": 8, "decoder_hidden_channels": 12},
    "gemnet_oc": GEMNET_OC,
}
SCALES = {"energy": (2.5, -0.75), "forces": (1.5, 0.0)}  # rmsd and mean of the normalizers


def model_named(name: str) -> ConvertibleModel:
    return next(model for model in MODELS if model.name == name)


def draw_weights(potential: nn.Module, size: float = 0.3) -> None:
    """Draw all weights, also those that start at zero, and set the scale factors."""
    generator = torch.Generator().manual_seed(5)
    for name, parameter in potential.named_parameters():
        if name.endswith("scale_factor"):
            parameter.data.fill_(1.1)
        elif not parameter.any():
            parameter.data.normal_(0.0, size, generator=generator)


def checkpoint(name: str, weights: dict[str, torch.Tensor], **arguments: Any) -> dict[str, Any]:
    """The content of a checkpoint of fairchem 1.10, with ``arguments`` of the model beside those above."""
    block = {"name": name, **copy.deepcopy(ARGUMENTS[name.removeprefix("dc_")]), "otf_graph": True, **arguments}
    return {
        "state_dict": dict(weights),
        "config": {
            "model": block,
            "trainer": "ocp",
            "task": {},
            "dataset": {"format": "lmdb", "src": "train", "key_mapping": {"y": "energy", "force": "forces"}},
            "optim": {"batch_size": 2, "eval_batch_size": 2, "lr_initial": 1e-3, "max_epochs": 1, "num_workers": 0},
            "loss_functions": [
                {"energy": {"fn": "mae", "coefficient": 1}},
                {"forces": {"fn": "l2mae", "coefficient": 1}},
            ],
            "evaluation_metrics": {"metrics": {"energy": ["mae"], "forces": ["mae"]}},
            "outputs": {"energy": {"level": "system"}, "forces": {"level": "atom", "eval_on_free_atoms": True}},
            "cmd": {"seed": 0},
        },
        "normalizers": {
            key: {"mean": torch.tensor(mean), "rmsd": torch.tensor(rmsd)} for key, (rmsd, mean) in SCALES.items()
        },
        "elementrefs": {},
        "ema": None,
    }


def old_checkpoint(
    name: str, weights: dict[str, torch.Tensor], prefix: str = "module.module.", **arguments: Any
) -> Any:
    """The same in the layout before fairchem 1.0, as published for OC20."""
    (rmsd, mean), (force_rmsd, _) = SCALES["energy"], SCALES["forces"]
    return {
        "epoch": 7.0,
        "step": 1000,
        "state_dict": {f"{prefix}{key}": value for key, value in weights.items()},
        "config": {
            "task": {
                "dataset": "trajectory_lmdb",
                "type": "regression",
                "metric": "mae",
                "grad_input": "atomic forces",
                "train_on_free_atoms": True,
                "eval_on_free_atoms": True,
            },
            "model": name,
            "model_attributes": {**copy.deepcopy(ARGUMENTS[name]), **arguments},
            "dataset": {
                "src": "data/s2ef/200k/train/",
                "normalize_labels": True,
                "target_mean": mean,
                "target_std": rmsd,
                "grad_target_mean": 0.0,
                "grad_target_std": force_rmsd,
            },
            "optim": {"batch_size": 32, "eval_batch_size": 16, "num_workers": 1, "lr_initial": 5e-4, "max_epochs": 30},
            "logger": "tensorboard",
            "amp": False,
            "cmd": {"identifier": "", "print_every": 10, "seed": 0},
        },
        "normalizers": {
            "target": {"mean": mean, "std": torch.tensor(rmsd)},
            "grad_target": {"mean": 0.0, "std": torch.tensor(force_rmsd)},
        },
        "amp": None,
    }
