"""Checkpoints of a training run: everything needed to resume exactly, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.training.safe_torch import load_torch

REPLACED = {"data_digest": "fingerprint"}  # a digest of bytes, which differ between processors


@dataclasses.dataclass
class Checkpoint:
    """The state of a training run.

    Args:
        iteration: the number of updates so far.
        net: the network's state.
        optimizer: the optimizer's state.
        rng: torch's random state on the CPU, used by dropout.
        cuda_rng: torch's random state on the GPU, None without a GPU.
        best_net: the network's state at the lowest reported total loss.
        best_loss: that loss.
        best_iteration: the iteration of that loss.
        fingerprint: the fingerprint of the sampled points, the data and C; None in files of earlier versions.
    """

    iteration: int
    net: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    rng: torch.Tensor
    cuda_rng: torch.Tensor | None
    best_net: dict[str, torch.Tensor]
    best_loss: float
    best_iteration: int
    fingerprint: list[float] | None

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        with replacing(path) as temporary:
            torch.save({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint as data.

    Raises:
        UserError: the file is damaged, or is not a checkpoint.
    """
    names = tuple(field.name for field in dataclasses.fields(Checkpoint))
    checkpoint = Checkpoint(**load_plain(path, names, REPLACED))
    if not isinstance(checkpoint.iteration, int) or checkpoint.iteration < 1 or not checkpoint.best_net:
        raise UserError(
            f"{path}: got iteration {checkpoint.iteration!r}, expected at least 1, and best weights; is it damaged?"
        )
    if not all(isinstance(number, float) for number in checkpoint.fingerprint or ()):
        raise UserError(f"{path}: got fingerprint {checkpoint.fingerprint!r}, expected numbers; is it damaged?")
    return checkpoint


def load_plain(path: Path, keys: tuple[str, ...], replaced: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a mapping of tensors and plain values as data, on the CPU.

    Args:
        path: the file.
        keys: its entries.
        replaced: by the name of an entry of earlier versions, the one that took its place, which is then None.

    Raises:
        UserError: the file does not exist, is damaged or hostile, or has other keys.
    """
    if not path.exists():
        raise UserError(f"{path}: got no such file, expected one that `ocp-dc pinn train` wrote")
    content = load_torch(path, "file")
    for earlier, key in (replaced or {}).items():
        if isinstance(content, dict) and content.pop(earlier, None) is not None:
            content[key] = None
    if not isinstance(content, dict) or set(content) != set(keys):
        raise UserError(
            f"{path}: is not a file of `ocp-dc pinn train`; expected the entries {', '.join(keys)}{_hint(content)}"
        )
    return content


def _hint(content: Any) -> str:
    """Return a hint for messages if the file is the checkpoint of an interatomic potential."""
    if isinstance(content, dict) and isinstance(content.get("config"), dict) and "state_dict" in content:
        return ". It is the checkpoint of a potential, which `ocp-dc evaluate` and ocp_dc.calculator read"
    return ""
