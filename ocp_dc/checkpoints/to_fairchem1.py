"""Make a checkpoint of fairchem 1.10 of a saved potential."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from ocp_dc import __version__
from ocp_dc.checkpoints.models import most_neighbors
from ocp_dc.checkpoints.saved_potential import SavedPotential
from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelRescaling
from ocp_dc.labels.fairchem1_form import stock_normalizers, stock_references

PREDICTION = {  # what fairchem reads of a config although it only predicts
    "task": {},
    "dataset": {"format": "lmdb", "src": "", "key_mapping": {"y": "energy", "force": "forces"}},
    "optim": {"batch_size": 1, "eval_batch_size": 1, "lr_initial": 1e-4, "max_epochs": 1, "num_workers": 0},
    "loss_functions": [
        {"energy": {"fn": "mae", "coefficient": 1}},
        {"forces": {"fn": "l2mae", "coefficient": 30}},
    ],
    "evaluation_metrics": {"metrics": {"energy": ["mae"], "forces": ["mae"]}, "primary_metric": "forces_mae"},
    "cmd": {"seed": 0, "identifier": "", "print_every": 100},
}


def fairchem1_checkpoint(saved: SavedPotential, where: str) -> dict[str, Any]:
    """Return the content of a checkpoint of fairchem 1.10, with weights for prediction only.

    Args:
        saved: the potential.
        where: the file that it is from, for messages.

    Raises:
        UserError: fairchem 1.10 cannot limit the neighbors as the potential does.
    """
    model, dc = saved.model, dict(saved.dc or {})
    arguments = {**saved.arguments, **_known_graph(saved, where), "otf_graph": True, "regress_forces": True}
    if model.gradient_key is not None:
        dc[model.gradient_key] = arguments.pop("angle_gradients", "exact")
    if model.direct_by_default:
        arguments["direct_forces"] = False
    name = f"ocp_dc.fairchem1.wrappers.{model.name}.{model.classes[1]}"
    block = {"name": name, **arguments, **({"dc": dc} if dc else {})}
    entries: dict[str, Any] = {
        "state_dict": OrderedDict(saved.weights),
        "config": {
            **PREDICTION,
            "trainer": "ocp_dc.fairchem1.trainer.DCTrainer",
            "model": block,
            "outputs": {"energy": {"level": "system"}, "forces": {"level": "atom", **saved.outputs}},
        },
        "val_metrics": None,
        "amp": None,
        "ocp_dc_version": __version__,
        "label_rescaling": None,
    }
    rescaling = LabelRescaling(saved.energy.scale, saved.energy.mean, saved.references)
    entries["normalizers"] = stock_normalizers(rescaling)
    entries["elementrefs"] = stock_references(rescaling)
    if (saved.forces.scale, saved.forces.mean) == (saved.energy.scale, 0.0):
        entries["label_rescaling"] = rescaling.state_dict()
    else:
        mean, scale = torch.tensor(saved.forces.mean), torch.tensor(saved.forces.scale)
        entries["normalizers"]["forces"] = {"mean": mean, "rmsd": scale}
    return entries


def _known_graph(saved: SavedPotential, where: str) -> dict[str, Any]:
    """Return the arguments of the graph, without a limit of neighbors that is fixed in fairchem 1.10."""
    kept, model = dict(saved.graph), saved.model
    if "max_neighbors" in kept and "max_neighbors" not in model.graph_arguments:
        fixed = most_neighbors(model, {"use_pbc": kept.get("use_pbc", True)})
        if (found := kept.pop("max_neighbors")) != fixed:
            raise UserError(
                f"{where}: its max_neighbors is {found}, and {model.title} of fairchem 1.10 always keeps {fixed}"
            )
    return kept
