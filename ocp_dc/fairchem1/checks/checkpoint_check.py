"""What a checkpoint holds, checked before it is used: its parts, and that every number in it can be meant."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ocp_dc.core.errors import UserError

PINN_KEYS = ({"config", "iteration", "scale", "state_dict"}, {"iteration", "net", "optimizer", "best_net"})
LARGEST = 1e15  # of a weight or an energy in eV; squares of larger ones leave the range of float32
MOST_ELEMENTS = 1000  # by atomic number; 119 are known
NOT_FINITE = (
    "it was damaged, or saved by a training that diverged; take an older checkpoint, or train again with a lower "
    "optim.lr_initial or with optim.clip_grad_norm"
)


def check_parts(checkpoint: Any, where: str) -> None:
    """Check that this is a checkpoint of fairchem's or ours.

    Args:
        checkpoint: what the file holds.
        where: the file, for messages.

    Raises:
        UserError: it is none; the message says what it is where that can be seen.
    """
    keys = set(checkpoint) if isinstance(checkpoint, Mapping) else set()
    for pinn in PINN_KEYS:
        if pinn <= keys and not isinstance(checkpoint.get("config"), Mapping):
            raise UserError(
                f"{where}: is of `ocp-dc pinn train`, a network of coordinates and no potential; expected a checkpoint "
                "of `ocp-dc main`. ocp_dc.pinn.load reads the model.pt of a physics-informed training"
            )
    if not {"state_dict", "config"} <= keys:
        found = ", ".join(sorted(map(str, keys))[:6]) if keys else f"a {type(checkpoint).__name__}"
        raise UserError(
            f"{where}: holds {found}, expected 'state_dict' and 'config' among others; it is no fairchem checkpoint"
        )
    config, weights = checkpoint["config"], checkpoint["state_dict"]
    model = config.get("model") if isinstance(config, Mapping) else None
    if not isinstance(model, str) and not (isinstance(model, Mapping) and isinstance(model.get("name"), str)):
        raise UserError(f"{where}: its config names no model; it is no fairchem checkpoint, or damaged")
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(value) for value in weights.values()):
        raise UserError(f"{where}: its state_dict holds something other than tensors; it is damaged")
    if not all(isinstance(name, str) for name in weights):
        raise UserError(f"{where}: its state_dict has names that are no text; it is damaged")
    for part in ("normalizers", "elementrefs", "scale_dict", "ema", "label_rescaling"):
        if not isinstance(checkpoint.get(part) or {}, Mapping):
            raise UserError(f"{where}: its {part} is a {type(checkpoint[part]).__name__}, expected a mapping")
    averages = (checkpoint.get("ema") or {"shadow_params": []}).get("shadow_params")
    if checkpoint.get("ema") == {} or not isinstance(averages, list | tuple) or not all(map(torch.is_tensor, averages)):
        raise UserError(f"{where}: its averaged weights (ema) are no list of tensors; it is damaged")


def check_values(checkpoint: Mapping[str, Any], where: str) -> None:
    """Check that weights, averages, scale factors and what brings predictions to eV are numbers that can be meant.

    References per element may be NaN: those of elements that the training has not seen.

    Raises:
        UserError: one is not finite, or a scale is not positive.
    """
    for name, value in itertools.chain(_named("", checkpoint["state_dict"]), _averages(checkpoint)):
        if not name.endswith(".gain"):  # NaN until it is fitted, for which gains.check_fitted has a better message
            _check_finite(name, value, where)
    for name, value in _named("scale factor ", checkpoint.get("scale_dict") or {}):
        _check_scale(name, value, where)
    for target, state in (checkpoint.get("normalizers") or {}).items():
        state = state if isinstance(state, Mapping) else {}
        _check_scale(f"normalizer of {target}: rmsd", state.get("rmsd", state.get("std", 1.0)), where)
        _check_finite(f"normalizer of {target}: mean", state.get("mean", 0.0), where)
    for target, state in (checkpoint.get("elementrefs") or {}).items():
        for name, value in _named(f"element references of {target}: ", state if isinstance(state, Mapping) else {}):
            _check_references(name, value, where)
    rescaling = checkpoint.get("label_rescaling")
    if rescaling is not None:
        if not {"scale", "mean", "references"} <= set(rescaling):
            raise UserError(f"{where}: its label_rescaling lacks scale, mean or references; it is damaged")
        for name in ("scale", "mean"):
            value = rescaling[name]
            if not (_is_one_number(value) if torch.is_tensor(value) else type(value) in (int, float)):
                raise UserError(
                    f"{where}: label rescaling: {name} is {value!r:.50}, expected one number; it is damaged"
                )
        _check_scale("label rescaling: scale", rescaling["scale"], where)
        _check_finite("label rescaling: mean", rescaling["mean"], where)
        references = rescaling["references"]
        if references is not None:
            if not (torch.is_tensor(references) and references.is_floating_point() and references.dim() == 1):
                raise UserError(f"{where}: label rescaling: references are no energies by atomic number; it is damaged")
            if len(references) > MOST_ELEMENTS:
                raise UserError(f"{where}: label rescaling: references of {len(references)} elements; it is damaged")
            _check_references("label rescaling: references", references, where)


def check_training_state(checkpoint: Mapping[str, Any], where: str) -> None:
    """Check the optimizer's moments, which only a training that goes on reads.

    Raises:
        UserError: one is not finite.
    """
    optimizer = checkpoint.get("optimizer") or {}
    for index, state in (optimizer.get("state") or {}).items():
        for name, value in state.items():
            if torch.is_tensor(value):
                _check_finite(f"the optimizer's {name} of parameter {index}", value, where, largest=math.inf)


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{prefix}{name}", value) for name, value in values.items())


def _averages(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    averages = (checkpoint.get("ema") or {}).get("shadow_params") or []
    return ((f"averaged parameter {index} (ema)", value) for index, value in enumerate(averages))


def _is_one_number(tensor: torch.Tensor) -> bool:
    return tensor.numel() == 1 and tensor.dtype is not torch.bool and not tensor.is_complex()


def _tensor(name: str, value: Any, where: str) -> torch.Tensor:
    """Return a value as an ordinary tensor, expanded dimensions at their true size of 1.

    A tensor of 4 bytes in a file may declare any number of elements: to look at them all would need memory for them.
    """
    try:
        tensor = torch.as_tensor(value).detach()
        numbers = tensor.element_size() > 1 or not tensor.is_floating_point()  # torch cannot look at floats of 8 bits
        if numbers and tensor.layout is torch.strided and tensor.device.type != "meta" and not tensor.is_quantized:
            tensor = tensor[tuple(slice(0, 1) if step == 0 else slice(None) for step in tensor.stride())]
            if tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes():
                return tensor
    except (TypeError, ValueError, RuntimeError):
        pass
    raise UserError(f"{where}: {name} is no ordinary tensor or number; it is damaged")


def _check_finite(name: str, value: Any, where: str, largest: float = LARGEST) -> None:
    tensor = _tensor(name, value, where)
    if not tensor.is_floating_point() and not tensor.is_complex():
        return
    wrong = ~torch.isfinite(tensor)
    if wrong.any():
        example = tensor[wrong].flatten()[0].item()
        raise UserError(
            f"{where}: {name} is not finite ({example}, {int(wrong.sum())} of {tensor.numel()}); {NOT_FINITE}"
        )
    if tensor.numel() and (reached := tensor.abs().max().item()) > largest:
        raise UserError(f"{where}: {name} reaches {reached:.3g}, expected at most {largest:g}; {NOT_FINITE}")


def _check_scale(name: str, value: Any, where: str) -> None:
    _check_finite(name, value, where)
    tensor = _tensor(name, value, where)
    if tensor.is_complex() or tensor.dtype is torch.bool:
        raise UserError(f"{where}: {name} is of type {tensor.dtype}, expected a number above 0; it is damaged")
    if not bool((tensor > 0).all()):
        raise UserError(f"{where}: {name} is {tensor.min().item():g}, expected a number above 0; it is damaged")


def _check_references(name: str, value: Any, where: str) -> None:
    tensor = _tensor(name, value, where)
    if (tensor.abs() > LARGEST).any() or (tensor.numel() and torch.isnan(tensor).all()):
        raise UserError(f"{where}: {name} are not finite, or beyond {LARGEST:g}; {NOT_FINITE}")
