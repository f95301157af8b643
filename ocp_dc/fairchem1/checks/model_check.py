"""Check that a checkpoint belongs to the model that a config builds."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fairchem.core.common.registry import registry
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import DCOptions, canonical_dc
from ocp_dc.training.averages import same_kind

# arguments for the construction and storage of the graph, which do not change the meaning of the weights
INDIFFERENT = ("name", "dc", "otf_graph", "use_pbc", "use_pbc_single", "scale_file", "regress_forces")
# of models that compute their forces in two ways: the key of the dc: block, and the attribute with the choice
GRADIENT_CHOICES = ("angle_gradients", "force_gradients")


def check_same_model(
    model: nn.Module, config: Mapping[str, Any], checkpoint: Mapping[str, Any], path: str, strict: bool
) -> None:
    """Check that a checkpoint belongs to a model.

    A stock checkpoint fits into the wrapper of its model, and vice versa. A checkpoint whose ``dc:`` block differs
    has the same parameter names but another function, and is refused too, unless ``strict`` is off or it is from a
    stock model, whose weights may start a derivative-constrained training run.

    Args:
        model: the model that the config builds.
        config: its ``model`` block.
        checkpoint: the content of the file.
        path: the file, for messages.
        strict: ``task.strict_load``; if False, differences are only logged.

    Raises:
        UserError: the models differ.
    """
    saved = checkpoint["config"]["model"]
    if not isinstance(saved, Mapping):  # before fairchem 1.0 the arguments were elsewhere
        saved = {"name": saved, **checkpoint["config"].get("model_attributes", {})}
    differences = _parameters(model, checkpoint["state_dict"])
    if _stock_name(saved["name"]) != _stock_name(config["name"]):
        differences.insert(0, f"the checkpoint is of {saved['name']!r}, the config builds {config['name']!r}")
    elif not differences:
        theirs_by_key, ours_by_key = _flat(saved), _flat(config)
        for key in sorted(set(theirs_by_key) & set(ours_by_key)):
            if theirs_by_key[key] != ours_by_key[key]:
                there, here = theirs_by_key[key], ours_by_key[key]
                differences.append(f"model.{key}: {there!r} in the checkpoint, {here!r} in the config")
        wrapper = config["name"] if hasattr(model, "dc_options") else saved["name"]
        stock, ours, theirs = (
            canonical_dc(read_dc({"name": wrapper, "dc": block}), with_extras=hasattr(model, "dc_options"))
            for block in (None, config.get("dc"), saved.get("dc"))
        )
        if theirs not in (ours, stock):
            differences.append(f"model.dc: {saved.get('dc')!r} in the checkpoint, {config.get('dc')!r} in the config")
        elif ours != theirs:
            logging.warning(f"checkpoint {path} is of a stock model; its weights go into one with dc: {config['dc']}")
    if not differences:
        return
    message = f"checkpoint {path} belongs to another model:\n  " + "\n  ".join(differences[:8])
    if strict:
        raise UserError(f"{message}\nUse the config in the results of the run (results/ID/config.yml)")
    logging.warning(message)


def _flat(block: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the relevant arguments, flat: heads of a hydra under dotted keys, its backbone like a model."""
    flat: dict[str, Any] = {}
    for key, value in block.items():
        if key in INDIFFERENT:
            continue
        path = "" if key == "backbone" else f"{prefix}{key}"
        flat |= _flat(value, path and f"{path}.") if isinstance(value, Mapping) else {path: value}
    return flat


def _parameters(model: nn.Module, saved: Mapping[str, Any]) -> list[str]:
    """Return the differences between the parameters of model and checkpoint, as texts."""
    tensors = {name.replace("module.", ""): value for name, value in model.state_dict().items()}
    theirs = {name.replace("module.", ""): value for name, value in saved.items()}
    own = {name: tuple(value.shape) for name, value in tensors.items()}
    given = {name: tuple(value.shape) for name, value in theirs.items()}
    missing = [f"{name} is missing in the checkpoint" for name in sorted(set(own) - set(given))]
    surplus = [f"{name} is not in the model" for name in sorted(set(given) - set(own))]
    shapes = [
        f"{name} has shape {given[name]} in the checkpoint, {own[name]} in the model"
        for name in sorted(set(own) & set(given))
        if own[name] != given[name]
    ]
    kinds = [
        f"{name} holds {theirs[name].dtype} in the checkpoint, {tensors[name].dtype} in the model"
        for name in sorted(set(own) & set(given))
        if not same_kind(theirs[name], tensors[name])
    ]
    repeated = [
        f"{name} is one number or row in the checkpoint, repeated to the shape {own[name]}"
        for name, _ in model.named_parameters(remove_duplicate=False)
        if name in theirs
        and any(n > 1 and step == 0 for n, step in zip(given[name], theirs[name].stride(), strict=True))
    ]
    return missing + surplus + shapes + kinds + repeated


def check_complete(model: nn.Module, saved: Mapping[str, Any], path: str) -> None:
    """Check that a checkpoint has all parameters of its model: predictions would use random values for the others.

    Raises:
        UserError: parameters are missing.
    """
    given = {name.replace("module.", "") for name in saved}
    own = [name for name, _ in model.named_parameters()]
    missing = sorted({name.replace("module.", "") for name in own} - given)
    if missing:
        raise UserError(
            f"checkpoint {path}: lacks {len(missing)} of the {len(own)} parameters of its model, such as "
            f"{missing[0]}, whatever its task.strict_load says; it is damaged"
        )


def _stock_name(name: str) -> type:
    try:
        model_class = registry.get_model_class(name)
    except RuntimeError:
        return type(None)
    return getattr(model_class, "stock_class", model_class)


def read_dc(model: Mapping[str, Any]) -> DCOptions:
    """Read the ``dc:`` block of a ``model`` block, with the keys of the wrapper that it names.

    Raises:
        UserError: an unknown key, or a value that is not valid.
    """
    block = model.get("dc")
    try:
        read = getattr(registry.get_model_class(model["name"]), "read_dc", None)
    except RuntimeError:  # no such model
        read = None
    return DCOptions.from_block(block, "model.dc") if read is None else read(block)
