"""The moments of an optimizer from a checkpoint, for an optimizer that keeps its own settings."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

# settings that say which moments an optimizer keeps
MOMENT_KEYS = ("amsgrad", "centered", "momentum")


def take_moments(
    optimizer: Optimizer,
    saved: Mapping[str, Any],
    saved_name: str,
    parameters: Sequence[tuple[str, nn.Parameter]],
    exempt: Sequence[str],
) -> None:
    """Take over the moments of a checkpoint, and leave learning rate, weight decay and other settings as they are.

    Where the optimizer keeps other moments than the checkpoint's, they start at zero, with a warning.

    Args:
        optimizer: the optimizer of the run.
        saved: the state of the checkpoint's optimizer.
        saved_name: the class of that optimizer in torch.optim.
        parameters: those of the model, by name, in its order.
        exempt: how names of parameters without weight decay end.
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
    """Return what says whether two optimizers can go on with the same moments."""
    return (name.removesuffix("W"), *(bool(settings.get(key)) for key in MOMENT_KEYS))


def _order(
    parameters: Sequence[tuple[str, nn.Parameter]], exempt: Sequence[str], groups: Sequence[Mapping[str, Any]]
) -> dict[int, nn.Parameter] | None:
    """Return the parameter of each index in a checkpoint's groups; None where they are not of this model.

    With a weight decay fairchem makes two groups, first the parameters that are not decayed: a config of another decay
    has the same parameters in another order.
    """
    named = list(parameters)
    if len(groups) == 2:
        named = [(name, parameter) for name, parameter in named if parameter.requires_grad]
        named.sort(key=lambda pair: not pair[0].endswith(tuple(exempt)))  # stable: the order within stays
    indices = [index for group in groups for index in group["params"]]
    if len(indices) != len(named):
        return None
    return dict(zip(indices, (parameter for _, parameter in named), strict=True))
