"""What a run ran on, as far as numbers and times depend on it; no names of hosts, no paths."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version

import numpy as np
import torch
from fairchem.core.common import distutils

from ocp_dc import __version__


def environment(device: torch.device) -> str:
    """Return versions, device, threads and ranks as JSON.

    Args:
        device: where the model is.
    """
    on_gpu = device.type == "cuda"
    record = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "fairchem-core": version("fairchem-core"),
        "ocp_dc": __version__,
        "numpy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),  # the instructions that torch's kernels use
        "device": torch.cuda.get_device_name(device) if on_gpu else device.type,
        "cuda": torch.version.cuda if on_gpu else None,
        "threads": torch.get_num_threads(),
        "world_size": distutils.get_world_size(),
    }
    return json.dumps(record, indent=2)
