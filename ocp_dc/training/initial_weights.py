"""A digest of the weights that a training run starts with: runs of one seed show that they began alike."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import nn


def initial_weights(model: nn.Module) -> str:
    """Return a record of a model's parameters as JSON: a digest of each by its name, how many numbers, one of all.

    The digest of all does not depend on the order in which modules were added. Models of which one has another norm
    are compared by the parameters that both have.

    Args:
        model: the model, without a wrapper of several ranks, which would change the names.
    """
    digests = {name: _sha256(parameter) for name, parameter in sorted(_parameters(model).items())}
    whole = hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in digests.items()).encode())
    record = {
        "sha256": whole.hexdigest(),
        "numbers": sum(parameter.numel() for parameter in model.parameters()),
        "parameters": {name: digest[:8] for name, digest in digests.items()},
    }
    return json.dumps(record, indent=2)


def _parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters(remove_duplicate=False))  # one that modules share has a name in each


def _sha256(parameter: torch.Tensor) -> str:
    numbers = parameter.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(numbers.view(torch.uint8).numpy().tobytes()).hexdigest()
