"""Load a checkpoint of fairchem 2 into a model in which a module has two names, such as the filters of SchNet."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parallel import DistributedDataParallel

PREFIX = "module."  # of DistributedDataParallel


def accept_both_names(model: nn.Module) -> None:
    """Make ``load_state_dict`` of a model accept parameters without the prefix of DistributedDataParallel.

    A checkpoint holds names without it. ``torch.distributed.checkpoint.state_dict`` adds it when it loads, but to the
    first name of each module only, so that strict loading finds the second name neither with nor without the prefix.

    Args:
        model: the model of the training unit, or its average.
    """
    for part in model.modules():
        if isinstance(part, DistributedDataParallel):
            part.register_load_state_dict_pre_hook(_add_prefix)


def _add_prefix(model: nn.Module, state_dict: dict[str, Any], prefix: str, *_: object) -> None:
    for name in [name for name in state_dict if name.startswith(prefix)]:
        prefixed = f"{prefix}{PREFIX}{name.removeprefix(prefix)}"
        if not name.startswith(f"{prefix}{PREFIX}") and prefixed not in state_dict:
            state_dict[prefixed] = state_dict.pop(name)
