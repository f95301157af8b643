"""The state of an optimizer from a checkpoint, with the checkpoint's settings or with those of the config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

# settings that say which moments an optimizer keeps
MOMENT_KEYS = ("amsgrad", "centered", "momentum")


def load(trainer: Any, checkpoint: Mapping[str, Any], keep_settings: bool) -> None:
    """Take over the optimizer's moments from a checkpoint.

    Args:
        trainer: the trainer, with an optimizer and a schedule as its config has them.
        checkpoint: what the file holds.
        keep_settings: leave learning rate, weight decay and the other settings as the config has them; the
            checkpoint's count else. Where the config's optimizer keeps other moments, they start at zero.
    """
    saved, own = checkpoint["optimizer"], trainer.optimizer
    if not keep_settings:
        own.load_state_dict(saved)
        return
    theirs = (checkpoint["config"].get("optim") or {}).get("optimizer", "AdamW")
    order = _order(trainer, saved["param_groups"])
    if order is None or _moments(theirs, saved["param_groups"][0]) != _moments(type(own).__name__, own.param_groups[0]):
        logging.warning(
            f"the optimizer of the config, {type(own).__name__}, keeps other moments than the checkpoint's {theirs}: "
            "its moments start at zero"
        )
        return
    by_parameter = {order[index]: moments for index, moments in saved["state"].items()}
    state = own.state_dict()
    parameters = [parameter for group in own.param_groups for parameter in group["params"]]
    state["state"] = {i: by_parameter[p] for i, p in enumerate(parameters) if p in by_parameter}
    own.load_state_dict(state)


def _moments(name: str, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what says whether two optimizers can go on with the same moments."""
    return (name.removesuffix("W"), *(bool(settings.get(key)) for key in MOMENT_KEYS))


def _order(trainer: Any, groups: list[dict[str, Any]]) -> dict[int, nn.Parameter] | None:
    """Return the parameter of each index in a checkpoint's groups; None where they are not of this model.

    With a weight decay fairchem makes two groups, first the parameters that are not decayed: a config of another decay
    has the same parameters in another order.
    """
    named = list(trainer.model.named_parameters())
    if len(groups) == 2:
        model = trainer._unwrapped_model
        exempt = tuple(model.no_weight_decay()) if hasattr(model, "no_weight_decay") else ()
        named = [(name, parameter) for name, parameter in named if parameter.requires_grad]
        named.sort(key=lambda pair: not (exempt and pair[0].endswith(exempt)))  # stable: the order within stays
    indices = [index for group in groups for index in group["params"]]
    if len(indices) != len(named):
        return None
    return dict(zip(indices, (parameter for _, parameter in named), strict=True))
