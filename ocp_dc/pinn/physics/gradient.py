"""Derivatives of fields by coordinates."""

from __future__ import annotations

import torch


def gradient(field: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the derivatives of a field by each coordinate, differentiable themselves.

    A derivative that does not exist in the graph is zero: the second one of a network of ReLU, or any one of a
    constant.

    Args:
        field: [N, 1], each row computed from the same row of ``x``.
        x: [N, d] coordinates that require gradients.

    Returns:
        d tensors [N, 1], in the order of the coordinates.
    """
    if not field.requires_grad:
        return tuple(torch.zeros_like(field) for _ in range(x.shape[1]))
    (result,) = torch.autograd.grad(
        field, x, torch.ones_like(field), create_graph=True, allow_unused=True, materialize_grads=True
    )
    return result.split(1, dim=1)
