"""Check the terms of the loss: their functions, outputs and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairchem.core.common.registry import registry
from torch import nn

from ocp_dc.core.errors import UserError, bad_value, unknown_name
from ocp_dc.core.numbers import Number
from ocp_dc.fairchem1.checks.loss_trial import try_loss
from ocp_dc.fairchem1.checks.name_check import find_class
from ocp_dc.fairchem1.checks.value_check import check_numbers
from ocp_dc.fairchem1.train.losses import HuberLoss

NUMBERS = {
    "coefficient": Number(0, 1e12, nullable=False),
    **dict.fromkeys(("final_coefficient", "delta"), Number(0, 1e12, above=True)),
}
REDUCTIONS = ("mean", "sum", None)


def check_losses(losses: list[Mapping[str, Mapping[str, Any]]], outputs: Mapping[str, Any]) -> None:
    """Check that every term has a known function, an output of the model and valid numbers.

    Args:
        losses: the block ``loss_functions``.
        outputs: the settings of each output, by name.

    Raises:
        UserError: a name is unknown, a key is missing, a number is not valid, or all coefficients are zero.
    """
    terms = [(target, settings) for loss in losses for target, settings in loss.items()]
    parts = [part for block in outputs.values() for part in (block or {}).get("decomposition") or ()]
    for target, settings in terms:
        if target not in outputs and target not in parts:
            raise unknown_name("target in loss_functions", target, [*outputs, *parts])
        _check_term(settings, target)
    if terms and not any(settings["coefficient"] for _, settings in terms):
        raise UserError("loss_functions: all coefficients are 0, so nothing would be learned")


def _check_term(settings: Mapping[str, Any], target: str) -> None:
    path = f"loss_functions.{target}"
    for key in ("fn", "coefficient"):
        if key not in settings:
            raise UserError(f"{path}.{key}: missing")
    name, known = settings["fn"], registry.mapping["loss_name_mapping"]
    kind = f"loss function in {path}"
    if not isinstance(name, str) or (name not in known and "." not in name):
        raise unknown_name(kind, name, known)
    function = find_class(kind, name, "loss_name_mapping", registry.get_loss_class, nn.Module)
    try_loss(target, name)
    check_numbers(settings, NUMBERS, path)
    if settings.get("final_coefficient") is not None and settings["coefficient"] == 0:
        raise UserError(
            f"{path}.coefficient: got 0, from which no factor leads to final_coefficient; expected a number above 0"
        )
    if settings.get("delta") is not None and not issubclass(function, HuberLoss):
        raise UserError(
            f"{path}.delta: got {settings['delta']}, but fn: {name} has no delta; use fn: huber, or remove it"
        )
    if settings.get("reduction") not in REDUCTIONS:
        raise bad_value(f"{path}.reduction", settings["reduction"], "mean or sum")
