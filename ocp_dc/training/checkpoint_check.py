"""Check the content of a checkpoint of fairchem 1 before it is used: its parts, and that every number is plausible."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ocp_dc.core.errors import UserError

PINN_KEYS = ({"config", "iteration", "scale", "state_dict"}, {"iteration", "net", "optimizer", "best_net"})
LARGEST = 1e15  # largest weight, or energy in eV; squares of much larger values overflow float32
MOST_ELEMENTS = 1000  # largest number of reference energies; 119 elements are known
NOT_FINITE = (
    "the file is damaged, or was saved by a training run that diverged; use an older checkpoint, or train again with "
    "a lower optim.lr_initial or with optim.clip_grad_norm"
)


def check_parts(checkpoint: Any, where: str) -> None:
    """Check that this is a checkpoint of fairchem or ocp_dc.

    Args:
        checkpoint: the content of the file.
        where: the file, for messages.

    Raises:
        UserError: it is something else; the message names its kind if that can be recognized.
    """
    keys = set(checkpoint) if isinstance(checkpoint, Mapping) else set()
    for pinn in PINN_KEYS:
        if pinn <= keys and not isinstance(checkpoint.get("config"), Mapping):
            raise UserError(
                f"{where}: is from `ocp-dc pinn train`, a network of coordinates and not a potential; expected a "
                "checkpoint of `ocp-dc main`. ocp_dc.pinn.load reads the model.pt of a physics-informed run"
            )
    if not {"state_dict", "config"} <= keys:
        found = ", ".join(sorted(map(str, keys))[:6]) if keys else f"a {type(checkpoint).__name__}"
        raise UserError(
            f"{where}: holds {found}, expected 'state_dict' and 'config' among others; it is not a fairchem checkpoint"
        )
    config, weights = checkpoint["config"], checkpoint["state_dict"]
    model = config.get("model") if isinstance(config, Mapping) else None
    if not isinstance(model, str) and not (isinstance(model, Mapping) and isinstance(model.get("name"), str)):
        raise UserError(f"{where}: its config names no model; it is not a fairchem checkpoint, or it is damaged")
    if not isinstance(weights, Mapping) or not all(torch.is_tensor(value) for value in weights.values()):
        raise UserError(f"{where}: its state_dict holds something other than tensors; it is damaged")
    if not all(isinstance(name, str) for name in weights):
        raise UserError(f"{where}: its state_dict has names that are not text; it is damaged")
    for part in ("normalizers", "elementrefs", "scale_dict", "ema", "label_rescaling"):
        if not isinstance(checkpoint.get(part) or {}, Mapping):
            raise UserError(f"{where}: its {part} is a {type(checkpoint[part]).__name__}, expected a mapping")
    averages = (checkpoint.get("ema") or {"shadow_params": []}).get("shadow_params")
    if checkpoint.get("ema") == {} or not isinstance(averages, list | tuple) or not all(map(torch.is_tensor, averages)):
        raise UserError(f"{where}: its averaged weights (ema) are not a list of tensors; it is damaged")


def check_values(checkpoint: Mapping[str, Any], where: str) -> None:
    """Check that weights, averaged weights, scale factors and the conversion of predictions to eV are plausible.

    The reference energies of elements that are not in the training set may be NaN.

    Raises:
        UserError: a number is not finite or too large, or a scale is not positive.
    """
    for name, value in itertools.chain(_named("", checkpoint["state_dict"]), _averages(checkpoint)):
        if not name.endswith(".gain"):  # NaN until fitted; gains.check_fitted has the better message
            check_finite(name, value, where)
    for name, value in _named("scale factor ", checkpoint.get("scale_dict") or {}):
        _check_scale(name, value, where)
    for target, state in (checkpoint.get("normalizers") or {}).items():
        state = state if isinstance(state, Mapping) else {}
        _check_scale(f"normalizer of {target}: rmsd", state.get("rmsd", state.get("std", 1.0)), where)
        check_finite(f"normalizer of {target}: mean", state.get("mean", 0.0), where)
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
        check_finite("label rescaling: mean", rescaling["mean"], where)
        references = rescaling["references"]
        if references is not None:
            if not (torch.is_tensor(references) and references.is_floating_point() and references.dim() == 1):
                raise UserError(
                    f"{where}: label rescaling: references are not energies by atomic number; it is damaged"
                )
            if len(references) > MOST_ELEMENTS:
                raise UserError(f"{where}: label rescaling: references of {len(references)} elements; it is damaged")
            _check_references("label rescaling: references", references, where)


def check_training_state(checkpoint: Mapping[str, Any], where: str) -> None:
    """Check the moments of the optimizer, which only a resumed run reads.

    Raises:
        UserError: a moment is not finite.
    """
    optimizer = checkpoint.get("optimizer") or {}
    for index, state in (optimizer.get("state") or {}).items():
        for name, value in state.items():
            if torch.is_tensor(value):
                check_finite(f"the optimizer's {name} of parameter {index}", value, where, largest=math.inf)


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{prefix}{name}", value) for name, value in values.items())


def _averages(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    averages = (checkpoint.get("ema") or {}).get("shadow_params") or []
    return ((f"averaged parameter {index} (ema)", value) for index, value in enumerate(averages))


def _is_one_number(tensor: torch.Tensor) -> bool:
    return tensor.numel() == 1 and tensor.dtype is not torch.bool and not tensor.is_complex()


def _tensor(name: str, value: Any, where: str) -> torch.Tensor:
    """Return a value as an ordinary tensor, with expanded dimensions (stride 0) cut to size 1.

    A stored tensor of 4 bytes may declare any number of elements; checking all of them would need memory for all.
    """
    try:
        tensor = torch.as_tensor(value).detach()
        numbers = tensor.element_size() > 1 or not tensor.is_floating_point()  # torch cannot compare 8-bit floats
        if numbers and tensor.layout is torch.strided and tensor.device.type != "meta" and not tensor.is_quantized:
            tensor = tensor[tuple(slice(0, 1) if step == 0 else slice(None) for step in tensor.stride())]
            if tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes():
                return tensor
    except (TypeError, ValueError, RuntimeError):
        pass
    raise UserError(f"{where}: {name} is not an ordinary tensor or number; it is damaged")


def check_finite(name: str, value: Any, where: str, largest: float = LARGEST) -> None:
    """Check that every element of a floating-point tensor is finite and not too large.

    Raises:
        UserError: one is not; or the tensor is not an ordinary one.
    """
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
    check_finite(name, value, where)
    tensor = _tensor(name, value, where)
    if tensor.is_complex() or tensor.dtype is torch.bool:
        raise UserError(f"{where}: {name} is of type {tensor.dtype}, expected a number above 0; it is damaged")
    if not bool((tensor > 0).all()):
        raise UserError(f"{where}: {name} is {tensor.min().item():g}, expected a number above 0; it is damaged")


def _check_references(name: str, value: Any, where: str) -> None:
    tensor = _tensor(name, value, where)
    if (tensor.abs() > LARGEST).any() or (tensor.numel() and torch.isnan(tensor).all()):
        raise UserError(f"{where}: {name} are not finite, or larger than {LARGEST:g}; {NOT_FINITE}")
