"""Digests of the initial weights of a training run, by which runs with the same seed can be compared."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import nn


def initial_weights(model: nn.Module) -> str:
    """Return a JSON record of a model's parameters: a digest of each by name, their total size, and an overall digest.

    The overall digest does not depend on the order in which modules were added. Models with different norms can be
    compared by the parameters that they have in common.

    Args:
        model: the model, without DistributedDataParallel, which would change the names.
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
    return dict(model.named_parameters(remove_duplicate=False))  # a shared parameter is listed under each of its names


def _sha256(parameter: torch.Tensor) -> str:
    numbers = parameter.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(numbers.view(torch.uint8).numpy().tobytes()).hexdigest()
