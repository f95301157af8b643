"""Denormalization: taking normalization layers out of a model (arXiv 2310.01649)."""

from __future__ import annotations

import torch
from torch import nn

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


def remove_norms(model: nn.Module, which: str, norm_types: tuple[str, ...] = ()) -> list[Removal]:
    """Take norms out of ``model`` in place.

    Args:
        model: the model.
        which: ``none``, ``batchnorm``, ``layernorm`` or ``all``.
        norm_types: class names of the model's own norms, removed by ``all`` only; a LayerNorm inside of one is a part
            of it, and stays or goes with it.

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
        if f"{prefix}.".startswith(inside):
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
    stand_ins = {key: RemovedNorm() for key in found}
    for owner, name, key in places:
        owner._modules[name] = stand_ins[key]
    return [Removal(paths[0], tuple(paths[1:]), repr(norm)) for norm, paths in found.values()]
