"""Insert batch normalization and dropout after activations, the regularization that arXiv 2310.01649 compares with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery.options import PATH
from ocp_dc.surgery.regularized_activation import RegularizedActivation
from ocp_dc.surgery.report import Insertion
from ocp_dc.surgery.sites import Site, describe

Forward = Callable[[nn.Module], object]


class _Recorder(nn.Module):
    """Wrap an activation to record the shapes of its outputs, and the dtype and device of the last in ``like``."""

    def __init__(self, activation: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.seen: list[torch.Size] = []
        self.like = torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.activation(x)
        self.seen.append(y.shape)
        self.like = y.new_empty(0)
        return y


def make_norms(
    model: nn.Module, sites: Sequence[Site], forward: Forward, path: str = PATH
) -> dict[Site, nn.BatchNorm1d]:
    """Make a BatchNorm1d for each site, as wide as the features that reach it in one forward pass.

    The model runs in evaluation mode; its modes and the random states are restored afterward. A site that is reached
    several times in a pass (DimeNet++ has one activation after all layers of an output block) gets one norm.

    Args:
        model: the model before its activations are swapped; a swap does not change shapes.
        sites: the sites.
        forward: calls the model once, on any data.
        path: the key of the ``dc:`` block in the config, for messages.

    Raises:
        UserError: the data at a site have several widths or a shape other than [N, width], or no data reach it.
    """
    modes = [(part, part.training) for part in model.modules()]
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with _recording(sites) as recorders, torch.random.fork_rng(devices=list(devices)):
        model.eval()
        try:
            forward(model)
        finally:
            for part, training in modes:
                part.training = training
    shapes = {site: recorders[site].seen for site in sites}
    fitting = [
        site for site, seen in shapes.items() if {len(s) for s in seen} == {2} and len({s[1] for s in seen}) == 1
    ]
    if len(fitting) < len(sites):
        wrong = "\n  ".join(f"{s.paths[0]}: {_shapes(seen)}" for s, seen in shapes.items() if s not in fitting)
        right = "".join(f"\n  {site.paths[0]}" for site in fitting) or " none"
        raise UserError(
            f"{path}.insert_norm: a BatchNorm1d needs features [N, width], of one width wherever the place is used. "
            f"Not so, in one small structure, at\n  {wrong}\n"
            f"Give insert_region a list of regular expressions that match places that fit:{right}"
        )
    # no random number is drawn: the weights start at one, the shifts at zero
    likes = {site: recorders[site].like for site in sites}
    return {s: nn.BatchNorm1d(seen[0][1], device=likes[s].device, dtype=likes[s].dtype) for s, seen in shapes.items()}


def insert(
    sites: Sequence[Site], norms: dict[Site, nn.BatchNorm1d], dropout: float, path: str = PATH
) -> list[Insertion]:
    """Insert norms and dropout after the current activations of these sites.

    Args:
        sites: the sites. Sites that share an activation object still share it, and each has a separate norm.
        norms: the norm of each site; empty if no norms are requested.
        dropout: the probability, in [0, 1).
        path: the key of the ``dc:`` block in the config, for messages.

    Returns:
        The insertions; a site that already has the same norm and dropout is not changed and not listed.
    """
    done = []
    for site in sites:
        norm, after = norms.get(site), describe(site.module)
        if isinstance(site.owner, RegularizedActivation):
            if site.owner.holds(norm, dropout):
                continue
            site.owner.norm, site.owner.dropout = norm, dropout
        else:
            site.replace(RegularizedActivation(site.module, norm, dropout, path))
        norm_text = None if norm is None else f"{type(norm).__name__}({norm.num_features})"
        done.append(Insertion(site.paths[0], site.paths[1:], after, norm_text, dropout))
    return done


@contextlib.contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Let inserted norms use the statistics of the batch, as in training mode, without updating running statistics."""
    norms = [p.norm for p in model.modules() if isinstance(p, RegularizedActivation) and p.norm is not None]
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, training in zip(norms, modes, strict=True):
            norm.training, norm.track_running_stats = training, True


@contextlib.contextmanager
def _recording(sites: Sequence[Site]) -> Iterator[dict[Site, _Recorder]]:
    """Replace each activation by a recorder within the block; order and names of the children do not change."""
    recorders = {site: _Recorder(site.original) for site in sites}
    for site, recorder in recorders.items():
        site.container[site.attribute] = recorder
    try:
        yield recorders
    finally:
        for site in sites:
            site.container[site.attribute] = site.original


def _shapes(seen: Sequence[Any]) -> str:
    if not seen:
        return "no data reach it"
    return "features of shape " + ", ".join(str(list(shape)) for shape in dict.fromkeys(seen))
