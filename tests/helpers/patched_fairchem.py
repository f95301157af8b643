"""What a patched fairchem does without the plugin, run as a script in a process that finds the patched tree first.

``python patched_fairchem.py ETHANOL OUT`` writes ``results.pt`` and the runs into OUT. The models are also built by the
tests' own process, from the pristine fairchem, to compare with.
"""

from __future__ import annotations

import pickle
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml

GRAPH = {"use_pbc": False, "otf_graph": True, "cutoff": 5.0, "regress_forces": True}
PATHS = {
    "schnet": "fairchem.core.models.schnet.SchNetWrap",
    "dimenetplusplus": "fairchem.core.models.dimenet_plus_plus.DimeNetPlusPlusWrap",
    "gemnet_t": "fairchem.core.models.gemnet.gemnet.GemNetT",
}
MODELS: dict[str, dict[str, Any]] = {
    "schnet": {"hidden_channels": 8, "num_filters": 8, "num_interactions": 1, "num_gaussians": 8},
    "dimenetplusplus": {
        "hidden_channels": 8,
        "num_blocks": 1,
        "int_emb_size": 4,
        "basis_emb_size": 4,
        "out_emb_channels": 8,
        "num_spherical": 3,
        "num_radial": 2,
    },
    "gemnet_t": {
        "num_spherical": 2,
        "num_radial": 4,
        "num_blocks": 1,
        "emb_size_atom": 8,
        "emb_size_edge": 8,
        "emb_size_trip": 4,
        "emb_size_rbf": 4,
        "emb_size_cbf": 4,
        "emb_size_bil_trip": 4,
        "num_before_skip": 1,
        "num_after_skip": 1,
        "num_concat": 1,
        "num_atom": 1,
        "direct_forces": False,
    },
}


class Hostile:
    """Unpickled, it would make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def jiggle(data_object, config):
    """A data set transform that draws random numbers."""
    data_object.pos = data_object.pos + config["width"] * torch.randn_like(data_object.pos)
    return data_object


def molecules(ethanol: Path) -> Any:
    from fairchem.core.datasets import LmdbDataset, data_list_collater

    dataset = LmdbDataset({"src": str(ethanol / "val")})
    return data_list_collater([dataset[i] for i in range(3)], otf_graph=True)


def build(name: str, **arguments: Any) -> torch.nn.Module:
    from fairchem.core.common.registry import registry

    model = registry.get_model_class(PATHS[name])(**GRAPH, **MODELS[name], **arguments)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():  # DimeNet++ begins with zeros in its last layers
            if parameter.requires_grad:
                parameter.normal_(std=0.5)
    return model


def predict(model: torch.nn.Module, batch: Any) -> dict[str, torch.Tensor]:
    """Energies and forces, and the gradient of a loss on both for all parameters that take part."""
    out = model(batch.clone())
    loss = out["energy"].sum() + out["forces"].square().sum()
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, trainable, allow_unused=True)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients if gradient is not None])
    return {"energy": out["energy"].detach(), "forces": out["forces"].detach(), "gradients": flat}


def models(ethanol: Path) -> dict[str, Any]:
    return {name: predict(build(name), molecules(ethanol)) for name in MODELS}


def exact_angles(ethanol: Path) -> dict[str, Any]:
    """In float64, for some atoms: forces and how they change with one coordinate, beside central differences."""
    model = build("dimenetplusplus", exact_angle_gradients=True).double()
    bent = molecules(ethanol)
    bent.pos = bent.pos.double()
    linear = bent.clone()
    along = torch.tensor([0.0, 0.0, 1.2], dtype=torch.float64)
    linear.pos = torch.arange(len(bent.pos)).double()[:, None] * along
    return {"bent": derivatives(model, bent), "linear": derivatives(model, linear)}


def derivatives(model: torch.nn.Module, batch: Any) -> dict[str, torch.Tensor]:
    """First and second derivatives of the energy with respect to the first three atoms, each in two ways."""

    def outputs(pos: torch.Tensor) -> dict[str, torch.Tensor]:
        moved = batch.clone()
        moved.pos = pos
        return model(moved)

    pos = batch.pos.clone().requires_grad_(True)
    forces = outputs(pos)["forces"]
    change = torch.autograd.grad(forces[0, 0], pos)[0][:3]
    step, first, second = 1e-5, torch.zeros(3, 3).double(), torch.zeros(3, 3).double()
    for atom in range(3):
        for axis in range(3):
            for sign in (1, -1):
                moved = batch.pos.clone()
                moved[atom, axis] += sign * step
                out = outputs(moved)
                first[atom, axis] -= sign * out["energy"][0, 0].detach() / (2 * step)
                second[atom, axis] += sign * out["forces"][0, 0].detach() / (2 * step)
    return {"forces": forces[:3].detach(), "energy differences": first, "change": change, "force differences": second}


def three_triplets() -> dict[str, torch.Tensor]:
    """The angles of exactly three triplets, and what they are."""
    from fairchem.core.models.dimenet_plus_plus import DimeNetPlusPlusWrap

    options = SimpleNamespace(exact_angle_gradients=False, use_pbc=False)
    torch.manual_seed(0)
    pos = torch.randn(9, 3)
    i, j, k = torch.arange(9).reshape(3, 3)
    found = DimeNetPlusPlusWrap.angles(options, pos, None, i, j, k, None, None)
    cosine = torch.nn.functional.cosine_similarity(pos[j] - pos[i], pos[k] - pos[j])
    return {"found": found, "expected": cosine.arccos()}


def transforms() -> dict[str, Any]:
    from fairchem.core.common.registry import registry
    from fairchem.core.modules import transforms as module

    registry.register_transform("jiggle")(jiggle)
    module.legacy = lambda data, config: {**data, "legacy": config}
    found = module.DataTransforms({"legacy": 1, "copy.deepcopy": {}, "normalizer": 2})({"a": 0})
    try:
        module.DataTransforms({"jigle": {}})({})
        message = ""
    except RuntimeError as error:
        message = str(error)
    return {"found": found, "message": message}


def hostile_files(folder: Path) -> dict[str, Any]:
    """What reading each hostile file raises, and whether it ran."""
    import lmdb
    from fairchem.core.datasets import LmdbDataset

    raised: dict[str, object] = {}
    for where in ("record", "length", "metadata"):
        src, target = folder / where, folder / f"made-by-{where}"
        src.mkdir()
        hostile = pickle.dumps(Hostile(target))
        env = lmdb.open(str(src / "data.lmdb"), subdir=False, map_size=1 << 20, lock=False)
        with env.begin(write=True) as transaction:
            transaction.put(b"0", hostile if where == "record" else pickle.dumps(1))
            transaction.put(b"length", hostile if where == "length" else pickle.dumps(1))
        env.close()
        np.savez(src / "metadata.npz", natoms=np.array([Hostile(target) if where == "metadata" else 3]))
        try:
            dataset = LmdbDataset({"src": str(src)})
            dataset.metadata_hasattr("natoms")
            dataset[0]
            raised[where] = ""
        except ValueError as error:
            raised[where] = str(error)
        raised[f"{where} ran"] = target.exists()
    return raised


def relaxation(ethanol: Path) -> float:
    """The largest force after a relaxation by ase on springs to the origin."""
    from ase.optimize import LBFGS
    from fairchem.core.common.relaxation.optimizable import OptimizableBatch

    class Springs:
        device = torch.device("cpu")

        def predict(self, batch, **options):
            return {"energy": batch.pos.square().sum() / 2, "forces": -batch.pos}

    from fairchem.core.datasets import data_list_collater

    batch = data_list_collater([molecules(ethanol)[0]], otf_graph=True)
    optimizable = OptimizableBatch(batch, Springs(), numpy=True)
    LBFGS(optimizable, logfile=None, alpha=1.0, maxstep=1.0).run(fmax=0.01, steps=50)
    return float(optimizable.batch.pos.norm(dim=1).max())


def timestamps() -> list[str]:
    from fairchem.core.trainers import OCPTrainer

    first = OCPTrainer._get_timestamp(torch.device("cpu"), "id")
    time.sleep(0.005)
    return [first, OCPTrainer._get_timestamp(torch.device("cpu"), "id")]


def small_run(ethanol: Path) -> dict[str, Any]:
    """The config of a training of a SchNet on 40 molecules, 4 steps an epoch."""
    return {
        "trainer": "ocp",
        "logger": "tensorboard",
        "model": {"name": "schnet", **GRAPH, **MODELS["schnet"]},
        "dataset": {
            "train": {
                "src": str(ethanol / "train"),
                "format": "lmdb",
                "key_mapping": {"y": "energy", "force": "forces"},
            },
            "val": {"src": str(ethanol / "val")},
        },
        "outputs": {
            "energy": {"level": "system"},
            "forces": {"level": "atom", "train_on_free_atoms": True, "eval_on_free_atoms": True},
        },
        "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}, {"forces": {"fn": "mae", "coefficient": 30}}],
        "evaluation_metrics": {"metrics": {"energy": ["mae"], "forces": ["mae"]}, "primary_metric": "forces_mae"},
        "optim": {
            "batch_size": 10,
            "eval_batch_size": 10,
            "num_workers": 0,
            "max_epochs": 1,
            "optimizer": "Adam",
            "lr_initial": 1.0e-3,
            "scheduler": "ExponentialLR",
            "gamma": 0.8,
        },
    }


def run(folder: Path, ethanol: Path, name: str, *arguments: str, **optim: Any) -> Path:
    """Train on jiggled molecules with the stock command line; return the checkpoint."""
    from fairchem.core import _cli
    from fairchem.core.common.flags import flags

    config = small_run(ethanol)
    config["dataset"]["train"]["transforms"] = {"jiggle": {"width": 0.01}}
    config["optim"] |= optim
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(config))
    fixed = ["--mode", "train", "--config-yml", str(path), "--cpu", "--run-dir", str(folder), "--timestamp-id", name]
    _cli.main(*flags.get_parser().parse_known_args([*fixed, "--seed", "1", *arguments]))
    return folder / "checkpoints" / name / "checkpoint.pt"


def resumed_runs(folder: Path, ethanol: Path) -> dict[str, Any]:
    """The last weights of a run of two epochs, and of one that was stopped in or after the first."""
    whole = run(folder, ethanol, "whole", max_epochs=2)
    after = run(folder, ethanol, "after")
    within = run(folder, ethanol, "within", checkpoint_every=3)
    paths = {
        "whole": whole,
        "after": run(folder, ethanol, "after-on", "--checkpoint", str(after), max_epochs=2),
        "within": run(folder, ethanol, "within-on", "--checkpoint", str(within), max_epochs=2),
    }
    loaded = {name: torch.load(path, weights_only=True) for name, path in paths.items()}
    return {
        name: {"step": state["step"], "best": state["best_val_metric"], "state_dict": state["state_dict"]}
        for name, state in loaded.items()
    }


def main() -> None:
    ethanol, out = map(Path, sys.argv[1:])
    from fairchem.core.common.utils import setup_imports

    setup_imports()  # every model
    results = {
        "models": models(ethanol),
        "exact_angles": exact_angles(ethanol),
        "three_triplets": three_triplets(),
        "transforms": transforms(),
        "hostile_files": hostile_files(out),
        "relaxation": relaxation(ethanol),
        "timestamps": timestamps(),
        "resumed_runs": resumed_runs(out, ethanol),
        "foreign": sorted({"ocp_dc", "torch_scatter", "torch_sparse", "pyg_lib"} & set(sys.modules)),
        "where": sys.modules["fairchem.core"].__file__,
    }
    torch.save(results, out / "results.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
