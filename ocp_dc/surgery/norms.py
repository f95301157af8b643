"""Denormalization: taking normalization layers out of a model (arXiv 2310.01649)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery.regularized import Regularized
from ocp_dc.surgery.report import Removal

# By class name, since PyG's norms wrap or reimplement those of torch under the same name.
BATCH_NORM_NAMES = frozenset({"BatchNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm"})
LAYER_NORM_NAMES = frozenset({"LayerNorm"})


class RemovedNorm(nn.Module):
    """Stands where a norm stood: returns its input as a new tensor.

    A new tensor, as every norm returns one: some models write into the result in place, and with the input itself
    they would edit what they add back later (fairchem's eSCN-MD does).
    """

    def forward(self, x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        """Return a copy of ``x``; what else a norm may take (a batch index, say) is ignored."""
        return x.clone()


class FittedGain(RemovedNorm):
    """Stands where a norm stood: its input times one constant, with the root mean square that the norm gave at first.

    Unlike a norm it is linear, so that the units of its input still matter. ``gain`` is a buffer, NaN until
    :func:`fitting_gains` fits it.

    Args:
        norm: the norm whose place it takes; it is asked while fitting, and is no part of the model any more.
    """

    gain: torch.Tensor

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = (norm,)  # in a tuple, torch does not see it: no parameters of its stay
        self.fitting = False
        self.register_buffer("gain", torch.tensor(math.nan))

    def forward(self, x: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        """Return ``x`` times the gain; the norm gets the other arguments while fitting."""
        if self.fitting:
            self.gain.copy_(_rms(self.norm[0].to(x.device)(x.detach(), *others, **named)) / _rms(x))
            if not (torch.isfinite(self.gain) and self.gain > 0):
                raise UserError(
                    f"model.dc.norm_gain: the features that reach {self.norm[0]} have a root mean square of "
                    f"{float(_rms(x)):g} on the batch that its gain is fitted to; expected a positive, finite number"
                )
        return x * self.gain


@contextlib.contextmanager
def fitting_gains(model: nn.Module) -> Iterator[list[FittedGain]]:
    """For a while, let each :class:`FittedGain` of ``model`` fit its gain whenever data reach it.

    One pass fits all of them: each is reached after those that change what it sees.

    Yields:
        the stand-ins, in the order of the model.
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
    model: nn.Module, which: str, norm_types: tuple[str, ...] = (), fitted_gain: bool = False
) -> list[Removal]:
    """Take norms out of ``model`` in place. Those that surgery itself inserted stay.

    Args:
        model: the model.
        which: ``none``, ``batchnorm``, ``layernorm`` or ``all``.
        norm_types: class names of the model's own norms, removed by ``all`` only; a LayerNorm inside of one is a part
            of it, and stays or goes with it.
        fitted_gain: leave a :class:`FittedGain` in the place of each.

    Returns:
        what was removed, in the order of the model; a norm that is shared between places is listed once.
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
    inside: tuple[str, ...] = ()  # paths within a norm, which stays or goes as a whole
    for prefix, owner in model.named_modules(remove_duplicate=False):
        if f"{prefix}.".startswith(inside) or isinstance(owner, Regularized):
            continue
        for name, child in owner._modules.items():
            kind = type(child).__name__
            if child is None or (kind not in names and kind not in norm_types):
                continue
            path = f"{prefix}.{name}" if prefix else name
            inside += (f"{path}.",)
            if kind in names:
                found.setdefault(id(child), (child, []))[1].append(path)
                places.append((owner, name, id(child)))
    stand_ins = {key: FittedGain(norm) if fitted_gain else RemovedNorm() for key, (norm, _) in found.items()}
    for owner, name, key in places:
        owner._modules[name] = stand_ins[key]
    return [Removal(paths[0], tuple(paths[1:]), repr(norm), fitted_gain) for norm, paths in found.values()]
