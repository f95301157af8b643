"""Stopping at the first value that is not finite, instead of training on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.errors import DivergenceError


def check_term(trainer: Any, term: str, *tensors: torch.Tensor) -> None:
    """Stop where a loss term or what goes into it is not finite.

    fairchem's loss replaces NaN by zero and goes on.

    Raises:
        DivergenceError: a value is NaN or infinite.
    """
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise diverged(trainer, f"the {term} loss")


def check_gradients(trainer: Any) -> None:
    """Stop where a gradient is not finite; under AMP the gradient scaler deals with that itself.

    Raises:
        DivergenceError: a gradient is NaN or infinite; the message names the first parameter.
    """
    if trainer.scaler is not None:
        return
    named = [(name, p.grad) for name, p in trainer.model.named_parameters() if p.grad is not None]
    finite = torch.stack([torch.isfinite(gradient).all() for _, gradient in named])
    if not bool(finite.all()):
        name = named[int((~finite).nonzero()[0])][0]
        raise diverged(trainer, f"the gradient of {name}")


def diverged(trainer: Any, what: str) -> DivergenceError:
    """Return the error for a value that is not finite."""
    checkpoint = Path(trainer.config["cmd"]["checkpoint_dir"], "checkpoint.pt")
    last = f"the last good checkpoint is {checkpoint}" if checkpoint.is_file() else "no checkpoint was written before"
    advice = "Lower optim.lr_initial, set optim.clip_grad_norm, or use a smaller activation coefficient"
    return DivergenceError(trainer.step, what, f"{last}. {advice}")
