"""Reasons not to compile a potential: of the model, and of the machine."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from ocp_dc.surgery.regularized_activation import RegularizedActivation

OLDEST_TORCH = (2, 6)


def model_reason(model: nn.Module) -> str | None:
    """Return why a model cannot be compiled, as part of a sentence, or None.

    A traced function has neither a training mode nor a random state: it would repeat one dropout mask, and a BatchNorm
    would update its running statistics in the copy that was traced.
    """
    for path, part in model.named_modules():
        if isinstance(part, _NormBase):
            return f"{path} is a {type(part).__name__}, which updates running statistics"
        drops = isinstance(part, RegularizedActivation) and part.dropout > 0
        if drops or (isinstance(part, _DropoutNd) and part.p > 0):
            return f"{path} is a dropout, which draws random numbers"
    return None


def machine_reason(device: torch.device) -> str | None:
    """Return why nothing can be compiled on this machine, as part of a sentence, or None.

    Args:
        device: the device of the model.
    """
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        return f"torch is {torch.__version__}, and {'.'.join(map(str, OLDEST_TORCH))} or later is needed"
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "triton, which compiles for GPUs, is missing or does not support this one"
    return _cpp_reason()


def _cpp_reason() -> str | None:
    from torch._inductor.cpp_builder import get_cpp_compiler

    try:
        get_cpp_compiler()
    except Exception:  # torch raises different errors for a missing and for a broken compiler
        return "there is no C++ compiler; install g++, or set CXX"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python.h is missing; install the headers of this Python, such as the package python3-dev"
    return None
