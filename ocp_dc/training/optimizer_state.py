"""Load the moments of a checkpoint into an optimizer that keeps its own settings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

# settings that determine which moments an optimizer keeps
MOMENT_KEYS = ("amsgrad", "centered", "momentum")


def take_moments(
    optimizer: Optimizer,
    saved: Mapping[str, Any],
    saved_name: str,
    parameters: Sequence[tuple[str, nn.Parameter]],
    exempt: Sequence[str],
) -> None:
    """Load the moments of a checkpoint, and leave learning rate, weight decay and other settings as they are.

    If the optimizer keeps other moments than the checkpoint's optimizer, they start at zero and a warning is logged.

    Args:
        optimizer: the optimizer of the training run.
        saved: the state of the checkpoint's optimizer.
        saved_name: the class of that optimizer in torch.optim.
        parameters: the model's parameters with their names, in order.
        exempt: name suffixes of parameters without weight decay.
    """
    groups = saved["param_groups"]
    order = _order(parameters, exempt, groups)
    own_name = type(optimizer).__name__
    if order is None or _moments(saved_name, groups[0]) != _moments(own_name, optimizer.param_groups[0]):
        logging.warning(
            f"the optimizer of the config, {own_name}, keeps other moments than the checkpoint's {saved_name}: "
            "its moments start at zero"
        )
        return
    by_parameter = {order[index]: moments for index, moments in saved["state"].items()}
    state = optimizer.state_dict()
    own = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state["state"] = {i: by_parameter[p] for i, p in enumerate(own) if p in by_parameter}
    optimizer.load_state_dict(state)


def _moments(name: str, settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return a key that is equal for optimizers that keep the same moments."""
    return (name.removesuffix("W"), *(bool(settings.get(key)) for key in MOMENT_KEYS))


def _order(
    parameters: Sequence[tuple[str, nn.Parameter]], exempt: Sequence[str], groups: Sequence[Mapping[str, Any]]
) -> dict[int, nn.Parameter] | None:
    """Return the parameter for each index in a checkpoint's groups; None if the groups do not belong to this model.

    Groups with factors of the learning rate hold the names. Else, with weight decay, fairchem makes two groups, the
    parameters without decay first, so that the order of the parameters depends on the weight decay of the config.
    """
    indices = [index for group in groups for index in group["params"]]
    if all("param_names" in group for group in groups):
        by_name = dict(parameters)
        names = [name for group in groups for name in group["param_names"]]
        if not set(names) <= by_name.keys() or len(names) != len(indices):
            return None
        return {index: by_name[name] for index, name in zip(indices, names, strict=True)}
    named = list(parameters)
    if len(groups) == 2:
        named = [(name, parameter) for name, parameter in named if parameter.requires_grad]
        named.sort(key=lambda pair: not pair[0].endswith(tuple(exempt)))  # stable: keeps the order within each group
    if len(indices) != len(named):
        return None
    return dict(zip(indices, (parameter for _, parameter in named), strict=True))
