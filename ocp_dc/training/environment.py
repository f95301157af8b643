"""Describe the environment on which results and times of a training run depend, without host names and paths."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ocp_dc import __version__


def describe_environment(device: torch.device, packages: Sequence[str], world_size: int = 1) -> dict[str, Any]:
    """Return the content of ``environment.json``: versions, device, threads and ranks.

    Args:
        device: the device of the model.
        packages: further distributions whose versions are recorded, such as ``fairchem-core``.
        world_size: the number of ranks.
    """
    on_gpu = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version(name) for name in packages},
        "ocp_dc": __version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # the instruction set of torch's kernels
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "cuda": torch.version.cuda if on_gpu else None,
        "threads": torch.get_num_threads(),
        "world_size": world_size,
    }
