"""Denormalization: remove normalization layers from a model (arXiv 2310.01649)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery.options import PATH
from ocp_dc.surgery.regularized_activation import RegularizedActivation
from ocp_dc.surgery.report import Removal

# By class name, since PyG's norms wrap or reimplement those of torch under the same name.
BATCH_NORM_NAMES = frozenset({"BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"})
LAYER_NORM_NAMES = frozenset({"LayerNorm"})


class RemovedNorm(nn.Module):
    """Replace a norm by the identity, which returns its input as a new tensor.

    Every norm returns a new tensor, and some models modify it in place (fairchem's eSCN-MD). If it were the input, they
    would modify features that they still need.
    """

    def forward(self, x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        """Return a copy of ``x``; other arguments of a norm, such as a batch index, are ignored."""
        return x.clone()


class FittedGain(RemovedNorm):
    """Replace a norm by a constant factor, fitted so that the root mean square is that of the norm's output.

    Unlike a norm, it is linear, so that the scale of its input still matters. ``gain`` is a buffer, NaN until
    :func:`fitting_gains` fits it.

    Args:
        norm: the norm that it replaces; it is called while fitting, and is not part of the model anymore.
        path: the key of the ``dc:`` block in the config, for messages.
    """

    gain: torch.Tensor

    def __init__(self, norm: nn.Module, path: str = PATH) -> None:
        super().__init__()
        self.path = path
        self.norm = (norm,)  # torch does not register a module in a tuple, so the model loses its parameters
        self.fitting = False
        self.register_buffer("gain", torch.tensor(math.nan))

    def forward(self, x: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        """Return ``x`` times the gain; the norm gets the other arguments while fitting."""
        if self.fitting:
            self.gain.copy_(_rms(self.norm[0].to(x.device)(x.detach(), *others, **named)) / _rms(x))
            if not (torch.isfinite(self.gain) and self.gain > 0):
                raise UserError(
                    f"{self.path}.norm_gain: the features that reach {self.norm[0]} have a root mean square of "
                    f"{float(_rms(x)):g} on the batch that its gain is fitted to; expected a positive, finite number"
                )
        return x * self.gain


@contextlib.contextmanager
def fitting_gains(model: nn.Module) -> Iterator[list[FittedGain]]:
    """Let each :class:`FittedGain` of ``model`` fit its gain whenever data reach it.

    One pass fits all of them, since data reach each gain after the gains that change its input.

    Yields:
        The gains, in the order of the model.
    """
    gains = [part for part in model.modules() if isinstance(part, FittedGain)]
    for part in gains:
        part.fitting = True
    try:
        yield gains
    finally:
        for part in gains:
            part.fitting = False


def _rms(x: torch.Tensor) -> torch.Tensor:
    return x.detach().float().square().mean().sqrt()


def remove_norms(
    model: nn.Module,
    which: str,
    norm_types: tuple[str, ...] = (),
    fitted_gain: bool = False,
    path: str = PATH,
) -> list[Removal]:
    """Remove norms from ``model`` in place, but not those that surgery inserted.

    Args:
        model: the model.
        which: ``none``, ``batchnorm``, ``layernorm`` or ``all``.
        norm_types: class names of the model's own norms, removed by ``all`` only; a LayerNorm inside one of them
            is part of it, and is only removed with it.
        fitted_gain: whether a :class:`FittedGain` replaces each norm.
        path: the key of the ``dc:`` block in the config, for messages.

    Returns:
        The removals, in the order of the model; a norm that several modules share is listed once.
    """
    names: frozenset[str] = frozenset()
    if which in ("batchnorm", "all"):
        names |= BATCH_NORM_NAMES
    if which in ("layernorm", "all"):
        names |= LAYER_NORM_NAMES
    if which == "all":
        names |= frozenset(norm_types)
    found: dict[int, tuple[nn.Module, list[str]]] = {}
    places: list[tuple[nn.Module, str, int]] = []
    inside: tuple[str, ...] = ()  # paths inside a norm, which is kept or removed as a whole
    for prefix, owner in model.named_modules(remove_duplicate=False):
        if f"{prefix}.".startswith(inside) or isinstance(owner, RegularizedActivation):
            continue
        for name, child in owner._modules.items():
            kind = type(child).__name__
            if child is None or (kind not in names and kind not in norm_types):
                continue
            full_name = f"{prefix}.{name}" if prefix else name
            inside += (f"{full_name}.",)
            if kind in names:
                found.setdefault(id(child), (child, []))[1].append(full_name)
                places.append((owner, name, id(child)))
    replacements = {key: FittedGain(norm, path) if fitted_gain else RemovedNorm() for key, (norm, _) in found.items()}
    for owner, name, key in places:
        owner._modules[name] = replacements[key]
    return [Removal(paths[0], tuple(paths[1:]), repr(norm), fitted_gain) for norm, paths in found.values()]
