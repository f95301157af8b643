"""Get and set the states of random number generators, as plain data for ``weights_only`` checkpoints."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ocp_dc.training.listeners import Listener

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState


def get_random_states() -> dict[str, Any]:
    """Return the states of all random number generators: Python's, numpy's, and torch's on the CPU and on each GPU."""
    version, python_words, gauss = random.getstate()
    name, numpy_words, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(python_words), gauss],
        "numpy": [name, np.asarray(numpy_words).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    """Restore the states that :func:`get_random_states` returned; those of GPUs only if their number is the same."""
    version, python_words, gauss = states["python"]
    random.setstate((version, tuple(python_words), gauss))
    name, numpy_words, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(numpy_words, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([words.cpu() for words in states["cuda"]])


def get_torch_states(device: torch.device) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return torch's state on the CPU, and that of the current GPU if ``device`` is a GPU, else None."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if device.type == "cuda" else None


def set_torch_states(cpu: torch.Tensor, gpu: torch.Tensor | None, device: torch.device) -> None:
    """Restore the states that :func:`get_torch_states` returned; that of the GPU only if ``device`` is a GPU."""
    torch.set_rng_state(cpu)
    if gpu is not None and device.type == "cuda":
        torch.cuda.set_rng_state(gpu)


class RandomStates(Listener):
    """Restore the random states of a checkpoint before the first step of a resumed run.

    Args:
        rank: the rank of this process.
        world_size: the number of ranks.
    """

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self._rank, self._world_size = rank, world_size

    def start(self, state: TrainingState) -> None:
        """Restore the states of this rank, or warn that the resumed run is not exact."""
        if state.step == 0:
            return
        states = state.random_states
        if states is None:
            logging.warning("the checkpoint holds no random states (fairchem wrote it): the resumed run is not exact")
        elif len(states) != self._world_size:
            logging.warning(f"the checkpoint is of {len(states)} ranks, this run has {self._world_size}")
        else:
            set_random_states(states[self._rank])
