"""The environment of a run, as far as its numbers and times depend on it; no names of machines, no paths."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ocp_dc import __version__


def describe_environment(device: torch.device, packages: Sequence[str], world_size: int = 1) -> dict[str, Any]:
    """Return versions, device, threads and ranks, as the content of ``environment.json``.

    Args:
        device: where the model is.
        packages: distributions of the host, whose versions count too, such as ``fairchem-core``.
        world_size: how many ranks there are.
    """
    on_gpu = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version(name) for name in packages},
        "ocp_dc": __version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # the instructions that torch's kernels use
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "cuda": torch.version.cuda if on_gpu else None,
        "threads": torch.get_num_threads(),
        "world_size": world_size,
    }
