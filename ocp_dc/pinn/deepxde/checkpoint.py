"""Checkpoints of a training run: everything needed to resume exactly, as plain data."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.training.safe_torch import load_torch


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
        data_digest: the digest of the sampled points, the data and C.
    """

    iteration: int
    net: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    rng: torch.Tensor
    cuda_rng: torch.Tensor | None
    best_net: dict[str, torch.Tensor]
    best_loss: float
    best_iteration: int
    data_digest: str

    def save(self, path: Path) -> None:
        """Write the checkpoint atomically."""
        with replacing(path) as temporary:
            torch.save({field.name: getattr(self, field.name) for field in dataclasses.fields(self)}, temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint as data.

    Raises:
        UserError: the file is damaged, or is not a checkpoint.
    """
    checkpoint = Checkpoint(**load_plain(path, tuple(field.name for field in dataclasses.fields(Checkpoint))))
    if not isinstance(checkpoint.iteration, int) or checkpoint.iteration < 1 or not checkpoint.best_net:
        raise UserError(
            f"{path}: got iteration {checkpoint.iteration!r}, expected at least 1, and best weights; is it damaged?"
        )
    return checkpoint


def load_plain(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """Read a mapping of tensors and plain values as data, on the CPU.

    Raises:
        UserError: the file does not exist, is damaged or hostile, or has other keys.
    """
    if not path.exists():
        raise UserError(f"{path}: got no such file, expected one that `ocp-dc pinn train` wrote")
    content = load_torch(path, "file")
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
