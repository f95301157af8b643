"""Make an inference checkpoint of fairchem 2 of a saved potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.inference_checkpoint import COUNT, PREFIX, InferenceCheckpoint
from ocp_dc.checkpoints.saved_potential import SavedPotential, Scaling, build_potential
from ocp_dc.models.shared_names import second_names

MODEL = "ocp_dc.fairchem2.dc_model.DCHydraModel"
HEAD = "ocp_dc.fairchem2.heads.GradientHead"
POTENTIAL = "backbone.potential."  # before the names of the weights
UNIT = "fairchem.core.units.mlip_unit.mlip_unit"
NORMALIZER = "fairchem.core.modules.normalization.normalizer.Normalizer"
REFERENCES = "fairchem.core.modules.normalization.element_references.ElementReferences"
DATASET = "all"  # the name of the only data set, by which a calculator finds the tasks
ELEMENTS = 119  # fairchem looks references up by atomic number


def inference_checkpoint(saved: SavedPotential) -> InferenceCheckpoint:
    """Return the inference checkpoint of a saved potential, with its weights as last and as averaged ones."""
    further = second_names(build_potential(saved.model, saved.arguments, saved.dc, saved.weights))
    weights = {f"{POTENTIAL}{name}": value for name, value in saved.weights.items() if name not in further}
    averages = {COUNT: torch.tensor(1), **{f"{PREFIX}{name}": value for name, value in weights.items()}}
    model: dict[str, Any] = {
        "_target_": MODEL,
        "pass_through_head_outputs": True,
        "otf_graph": True,
        "backbone": {"model": saved.model.backbone, **saved.arguments, **saved.graph},
        "heads": {"efs": {"module": HEAD}},
    }
    if saved.dc is not None:
        model["dc"] = dict(saved.dc)
    tasks = [
        _task("energy", "system", 1, saved.energy, saved.references, {}),
        _task("forces", "atom", 3, saved.forces, None, saved.outputs),
    ]
    return InferenceCheckpoint(model, tasks, weights, averages)


def _task(
    name: str, level: str, width: int, scaling: Scaling, references: Tensor | None, options: Mapping[str, bool]
) -> dict[str, Any]:
    # an energy of -1e5 eV has a spacing of 8 meV in float32: in float64, denormalized energies are too
    mean = {"_target_": "torch.DoubleTensor", "_args_": [[scaling.mean]]} if scaling.mean else 0.0
    task: dict[str, Any] = {
        "_target_": f"{UNIT}.Task",
        "name": name,
        "level": level,
        "property": name,
        "out_spec": {"dim": [width], "dtype": "float32"},
        "normalizer": {"_target_": NORMALIZER, "mean": mean, "rmsd": scaling.scale},
        "datasets": [DATASET],
        "metrics": ["mae"],
        **options,
    }
    if references is not None:
        task["element_references"] = references_block(references)
    return task


def references_block(references: Tensor) -> dict[str, Any]:
    """Return the block of a task with energies per element in eV, float64 [Z_max + 1]."""
    every = torch.full((ELEMENTS,), torch.nan, dtype=torch.float64)
    every[: len(references)] = references[:ELEMENTS]
    table = {"_target_": "torch.DoubleTensor", "_args_": [every.tolist()]}
    return {"_target_": REFERENCES, "element_references": table}
