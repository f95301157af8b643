"""Derivatives of fields with respect to coordinates."""

from __future__ import annotations

import torch


def gradient(field: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the derivatives of a field with respect to each coordinate; they can be differentiated again.

    A derivative that is missing from the graph is zero, such as the second derivative of a ReLU network or any
    derivative of a constant.

    Args:
        field: `[N, 1]`, each row computed from the same row of ``x``.
        x: `[N, d]`, coordinates that require gradients.

    Returns:
        d tensors `[N, 1]`, in the order of the coordinates.
    """
    if not field.requires_grad:
        return tuple(torch.zeros_like(field) for _ in range(x.shape[1]))
    (result,) = torch.autograd.grad(
        field, x, torch.ones_like(field), create_graph=True, allow_unused=True, materialize_grads=True
    )
    return result.split(1, dim=1)
