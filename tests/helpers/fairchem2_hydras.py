"""Small hydras of the models that come with fairchem 2, batches for them, and checkpoints."""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.build import molecule
from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch
from fairchem.core.models.base import HydraModel
from fairchem.core.units.mlip_unit.api.inference import MLIPInferenceCheckpoint
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ocp_dc.fairchem2.dc_model import DCHydraModel

MODEL = "ocp_dc.fairchem2.dc_model.DCHydraModel"
EFS = {"efs": {"module": "fairchem.core.models.uma.escn_md.MLP_EFS_Head"}}
_ESCNMD = {
    "sphere_channels": 8,
    "hidden_channels": 8,
    "edge_channels": 8,
    "num_distance_basis": 8,
    "num_layers": 2,
    "lmax": 2,
    "mmax": 2,
    "cutoff": 4.0,
    "direct_forces": False,
    "regress_forces": True,
    "always_use_pbc": False,
    "otf_graph": True,
    "dataset_mapping": {"data": "data"},
}
_SCAIP = {
    "regress_forces": True,
    "direct_forces": False,
    "hidden_size": 16,
    "num_layers": 2,
    "use_compile": False,
    "use_padding": False,
    "max_num_elements": 20,
    "max_atoms": 50,
    "max_batch_size": 4,
    "max_radius": 4.0,
    "knn_k": 8,
    "atten_name": "math",
    "atten_num_heads": 2,
    "edge_distance_expansion_size": 16,
    "freequency_list": [2, 4, 2],
}
_ESCAIP = {
    "use_pbc": False,
    "knn_soft": True,
    "knn_sigmoid_scale": 0.2,
    "knn_lse_scale": 0.1,
    "knn_use_low_mem": True,
    "knn_pad_size": 30,
    "atom_embedding_size": 8,
    "node_direction_embedding_size": 8,
    "edge_distance_embedding_size": 8,
}
_BACKBONES = "ocp_dc.fairchem2.backbones.scaip"
MODELS: dict[str, dict[str, Any]] = {
    "escnmd": {"backbone": {"model": "fairchem.core.models.uma.escn_md.eSCNMDBackbone", **_ESCNMD}, "heads": EFS},
    "uma": {
        "backbone": {"model": "fairchem.core.models.uma.escn_moe.eSCNMDMoeBackbone", "num_experts": 3, **_ESCNMD},
        "heads": EFS,
        "model_id": "custom",
    },
    "escaip": {
        "backbone": {"model": f"{_BACKBONES}.EScAIPBackbone", **_SCAIP, **_ESCAIP},
        "heads": {"efs": {"module": f"{_BACKBONES}.EScAIPGradientHead"}},
    },
    "allscaip": {
        "backbone": {"model": f"{_BACKBONES}.AllScAIPBackbone", "attn_num_freq": 4, **_SCAIP},
        "heads": {"efs": {"module": f"{_BACKBONES}.AllScAIPGradientHead"}},
    },
}
for _model in MODELS.values():
    _model["pass_through_head_outputs"] = True


def arguments(name: str, **backbone: Any) -> dict[str, Any]:
    """The arguments of a hydra, with changes of its backbone."""
    found = copy.deepcopy(MODELS[name])
    found["backbone"].update(backbone)
    return found


def hydra_model(name: str, dc: Mapping[str, Any] | None = None, **backbone: Any) -> DCHydraModel:
    """A hydra with a ``dc:`` block, from the same random numbers each time."""
    torch.manual_seed(0)
    return DCHydraModel(**arguments(name, **backbone), dc=dc)


def stock_model(name: str, **backbone: Any) -> HydraModel:
    """The same hydra as a class of fairchem."""
    torch.manual_seed(0)
    return HydraModel(**arguments(name, **backbone))


@contextlib.contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Build in this dtype, as fairchem does, since eSCN-MD has buffers that cannot be cast without loss."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def structures() -> list[Atoms]:
    """Two molecules in general positions, each in a box, with charge and spin."""
    found = [molecule(name) for name in ("CH3OH", "NH3")]
    for number, atoms in enumerate(found):
        atoms.rattle(0.05, seed=number)
        atoms.center(vacuum=5.0)
        atoms.info.update(charge=0, spin=0)
    return found


def batch(dtype: torch.dtype = torch.float32, molecules: list[Atoms] | None = None) -> AtomicData:
    """A batch of molecules, by default :func:`structures`."""
    molecules = structures() if molecules is None else molecules
    return atomicdata_list_to_batch(
        [AtomicData.from_ase(atoms, task_name="data", target_dtype=dtype) for atoms in molecules]
    )


def kinds(model: nn.Module, *names: str) -> Counter[str]:
    """The number of modules of each class in ``names``."""
    return Counter(type(part).__name__ for part in model.modules() if type(part).__name__ in names)


def tasks() -> list[dict[str, Any]]:
    """Tasks of energies and forces, as a checkpoint holds them, with the labels as they are."""
    unit, norm = "fairchem.core.units.mlip_unit.mlip_unit", "fairchem.core.modules.normalization.normalizer"
    return [
        {
            "_target_": f"{unit}.Task",
            "name": name,
            "property": name,
            "level": level,
            "out_spec": {"dim": [size], "dtype": "float32"},
            "normalizer": {"_target_": f"{norm}.Normalizer", "mean": 0.0, "rmsd": 1.0},
            "loss_fn": {"_target_": "torch.nn.L1Loss"},
            "datasets": ["data"],
            "metrics": ["mae"],
        }
        for name, level, size in (("energy", "system", 1), ("forces", "atom", 3))
    ]


def write_checkpoint(path: Path, name: str, dc: Mapping[str, Any] | None = None) -> DCHydraModel:
    """Write an untrained model as fairchem's units do, and return it."""
    model = hydra_model(name, dc)
    config = {"_target_": MODEL, **arguments(name)} | ({} if dc is None else {"dc": dict(dc)})
    averages = AveragedModel(model).state_dict()
    torch.save(MLIPInferenceCheckpoint(config, model.state_dict(), averages, tasks()), path)
    return model
