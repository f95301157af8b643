"""Small runs through the Python API, on the host that is installed."""

from __future__ import annotations

from pathlib import Path

import ocp_dc
from ocp_dc.hosts import installed_host

_SIZES = ("hidden_channels=16", "num_filters=16", "num_interactions=2", "num_gaussians=12")


def shipped(model: str = "schnet-dc") -> str:
    """Return the name of a config of the installed host."""
    return f"{installed_host().configs}/{model}"


def overrides(**changes: object) -> list[str]:
    """Return overrides that make SchNet small; changes are ``lr``, ``batch_size`` and ``epochs``."""
    if installed_host().name == "fairchem2":
        return [
            *(f"model.backbone.{size}" for size in _SIZES),
            *(f"{k}={v}" for k, v in {"batch_size": 10, **changes}.items()),
        ]
    names = {"lr": "lr_initial", "epochs": "max_epochs"}
    settings = {"batch_size": 10, **changes}
    return [*(f"--model.{s}" for s in _SIZES), *(f"--optim.{names.get(k, k)}={v}" for k, v in settings.items())]


def train(data: Path, out: Path, name: str = "first", epochs: int = 2, *more: str, **changes: object) -> ocp_dc.Run:
    """Train a small SchNet on the CPU."""
    changed = [*overrides(**changes), *more]
    return ocp_dc.train(shipped(), data, out=out, name=name, epochs=epochs, overrides=changed, cpu=True, quiet=True)
