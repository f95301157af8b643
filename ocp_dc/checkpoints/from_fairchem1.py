"""Read a checkpoint of fairchem 1, also one from before version 1.0, as a saved potential."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.models import ConvertibleModel, of_fairchem1
from ocp_dc.checkpoints.saved_potential import SavedPotential, Scaling, build_potential, check_weights
from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelRescaling
from ocp_dc.surgery import DCOptions
from ocp_dc.training.averages import check_averages
from ocp_dc.training.checkpoint_check import check_parts, check_values
from ocp_dc.training.plain_content import check_tree

OLD_NAMES = {"energy": "target", "forces": "grad_target"}  # of normalizers in checkpoints before fairchem 1.0
# arguments of every model in fairchem 1 that do not change what it computes, given the same structures
IGNORED = ("name", "dc", "otf_graph", "use_pbc_single", "scale_file", "regress_forces", "direct_forces")


def saved_potential(checkpoint: Mapping[str, Any], where: str) -> SavedPotential:
    """Return the potential in the content of a checkpoint, with the averaged weights if there are any.

    Args:
        checkpoint: the content of the file, tensors and plain values only.
        where: the file, for messages.

    Raises:
        UserError: it is damaged, or its model cannot be converted; the message says why.
    """
    check_parts(checkpoint, where)
    check_tree(checkpoint["config"], where)
    check_values(checkpoint, where)
    block = _model_block(checkpoint["config"])
    model = of_fairchem1(block["name"], where)
    _check_forces(model, block, where)
    dc, gradients = _dc(model, block)
    if gradients == "stock" and model.name == "painn":
        raise UserError(
            f"{where}: its forces are those of fairchem's PaiNN, which are not derivatives of the energy, and a native "
            "potential has no such forces; train with a dc: block, or with dc: {force_gradients: exact}"
        )
    graph = {key: block[key] for key in ("use_pbc", *model.graph_arguments) if key in block}
    left_out = {*IGNORED, *model.ignored, *graph}
    arguments = {key: value for key, value in block.items() if key not in left_out}
    if model.name == "dimenetplusplus":
        arguments["angle_gradients"] = gradients
    weights = _own_names(checkpoint["state_dict"], model)
    potential = build_potential(model, arguments, dc, weights)
    _insert_scales(weights, checkpoint.get("scale_dict") or {}, potential.state_dict())
    check_weights(potential, weights, where)
    averages = (checkpoint.get("ema") or {}).get("shadow_params")
    if averages is not None:
        weights = _averaged(potential, weights, averages)
    energy, forces, references = _labels(checkpoint, where)
    outputs = _mapping(_mapping(checkpoint["config"].get("outputs")).get("forces"))
    return SavedPotential(
        model,
        arguments,
        graph,
        dc,
        weights,
        energy,
        forces,
        references,
        {key: bool(outputs[key]) for key in ("train_on_free_atoms", "eval_on_free_atoms") if key in outputs},
    )


def _model_block(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the model with its name, which earlier versions stored beside them."""
    model = config["model"]
    block = {**_mapping(config.get("model_attributes")), "name": model} if isinstance(model, str) else dict(model)
    return copy.deepcopy(block)


def _check_forces(model: ConvertibleModel, block: Mapping[str, Any], where: str) -> None:
    if block.get("regress_forces", True) is not True:
        raise UserError(
            f"{where}: it predicts energies only (regress_forces: false), and the backbones of ocp_dc predict forces "
            "too, as the gradient of the energy; train with model.regress_forces: true, or use it with fairchem 1.10"
        )
    if block.get("direct_forces", model.direct_by_default) is not False:
        raise UserError(
            f"{where}: its forces come from an output beside the energy (direct_forces: true), and the backbone of "
            f"{model.title} computes them as the gradient of the energy, which would be other numbers; train with "
            "model.direct_forces: false, or use it with fairchem 1.10"
        )


def _dc(model: ConvertibleModel, block: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the ``dc:`` block without the key of gradients, and that key with its default filled in."""
    dc = dict(block.get("dc") or {})
    asked = dc.pop(model.gradient_key, None) if model.gradient_key is not None else None
    options = DCOptions.from_block(dc, "model.dc")
    gradients = asked or ("stock" if options.is_noop else "exact")
    return dc or None, gradients


def _own_names(weights: Mapping[str, Tensor], model: ConvertibleModel) -> dict[str, Tensor]:
    """Return weights by the names in the potential: DistributedDataParallel and others put ``module.`` before them."""
    own = dict(weights)
    while own and all(name.startswith("module.") for name in own):
        own = {name.removeprefix("module."): value for name, value in own.items()}
    return {name: value for name, value in own.items() if name not in model.old_buffers}


def _insert_scales(weights: dict[str, Tensor], scales: Mapping[str, Any], own: Mapping[str, Tensor]) -> None:
    """Insert the scale factors that some checkpoints store apart; fairchem lets them replace those of the weights."""
    for name, value in scales.items():
        key = f"{name}.scale_factor"
        if key in own:
            weights[key] = torch.as_tensor(value, dtype=own[key].dtype).reshape(own[key].shape)


def _averaged(
    potential: torch.nn.Module, weights: Mapping[str, Tensor], averages: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return the weights with the averages, which a checkpoint lists in the order of the trainable parameters."""
    check_averages(averages, potential)
    trained = [parameter for parameter in potential.parameters() if parameter.requires_grad]
    by_parameter = {parameter: value.to(parameter.dtype) for parameter, value in zip(trained, averages, strict=True)}
    replaced = {
        name: by_parameter[parameter]
        for name, parameter in potential.named_parameters(remove_duplicate=False)
        if parameter in by_parameter
    }
    return {**weights, **replaced}


def _labels(checkpoint: Mapping[str, Any], where: str) -> tuple[Scaling, Scaling, Tensor | None]:
    """Return the scaling of energies and of forces, and the energies per element."""
    saved = checkpoint.get("label_rescaling")
    if saved is not None:
        rescaling = LabelRescaling.from_state_dict(saved)
        return Scaling(rescaling.scale, rescaling.mean), Scaling(rescaling.scale), rescaling.references
    normalizers = checkpoint.get("normalizers") or {}
    references = checkpoint.get("elementrefs") or {}
    if others := set(references) - {"energy"}:
        raise UserError(
            f"{where}: has element references of {', '.join(sorted(others))}, expected those of energy only"
        )
    table = _mapping(references.get("energy")).get("element_references")
    return (
        _scaling(normalizers, "energy", where),
        _scaling(normalizers, "forces", where),
        None if table is None else torch.as_tensor(table).double().flatten(),
    )


def _scaling(normalizers: Mapping[str, Any], output: str, where: str) -> Scaling:
    state = _mapping(normalizers.get(output, normalizers.get(OLD_NAMES[output])))
    found = []
    for value in (state.get("rmsd", state.get("std", 1.0)), state.get("mean", 0.0)):
        number = torch.as_tensor(value)
        if number.numel() != 1:
            raise UserError(
                f"{where}: normalizer of {output}: has {number.numel()} numbers, expected one; it is damaged"
            )
        found.append(float(number))
    return Scaling(*found)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
