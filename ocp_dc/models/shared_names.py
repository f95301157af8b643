"""Names of shared parameters: a module that is held at two places has two names in a state dict.

fairchem 1.10's SchNet and GemNet hold such modules, and so do ours. torch's distributed checkpoints, with which
fairchem 2 resumes, know only the first name of a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def second_names(module: nn.Module) -> dict[str, str]:
    """Return the first name of each further name of a parameter or a buffer."""
    found: dict[str, str] = {}
    for own, every in (
        (module.named_parameters(), module.named_parameters(remove_duplicate=False)),
        (module.named_buffers(), module.named_buffers(remove_duplicate=False)),
    ):
        first = {id(value): name for name, value in own}
        found |= {name: first[id(value)] for name, value in every if first[id(value)] != name}
    return found


def with_second_names(weights: Mapping[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Return weights by all names that a module has for them; names that are there stay as they are."""
    added = {name: weights[first] for name, first in second_names(module).items() if first in weights}
    return {**added, **weights}


def save_first_names(module: nn.Module) -> None:
    """Leave further names out of the module's state dict; a state dict with or without them can be loaded."""
    module.register_state_dict_post_hook(_drop)
    module.register_load_state_dict_pre_hook(_add)


def _drop(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in second_names(module):
        state.pop(prefix + name, None)


def _add(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, first in second_names(module).items():
        if prefix + first in state:
            state.setdefault(prefix + name, state[prefix + first])
