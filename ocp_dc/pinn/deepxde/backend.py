"""Import DeepXDE with its PyTorch backend; other modules use ``from ocp_dc.pinn.deepxde.backend import dde``.

DeepXDE reads the name of its backend from the environment or from a file in the home folder, which it creates if there
is none. It prints the backend to stderr and makes the GPU torch's default device for the whole process. This module
selects PyTorch without a message or a file, and restores the default device; :func:`default_device` sets it
temporarily.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import torch

from ocp_dc.core.errors import UserError

VARIABLE = "DDE_BACKEND"


def _import() -> ModuleType:
    before, device = os.environ.get(VARIABLE), torch.get_default_device()
    os.environ[VARIABLE] = "pytorch"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            import deepxde
            import deepxde.backend
    except ModuleNotFoundError as error:
        raise UserError(
            f"the physics-informed tasks need the package {error.name!r}, which is not installed: run "
            "`pip install 'ocp_dc[pinn]'`, or `pip install .[pinn]` in a checkout"
        ) from error
    finally:
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
    name = deepxde.backend.backend_name
    if name != "pytorch":
        raise UserError(
            f"DeepXDE was imported with the backend {name!r} before, and ocp_dc needs 'pytorch'; import ocp_dc.pinn "
            f"first, or set {VARIABLE}=pytorch"
        )
    return deepxde


if TYPE_CHECKING:
    import deepxde as dde
else:
    dde = _import()


@contextlib.contextmanager
def default_device(cpu: bool = False) -> Iterator[torch.device]:
    """Make the GPU, if there is one, torch's default device within the block, and yield the device.

    A default device that is already right is not set again, because an explicit default slows down every torch call.

    Args:
        cpu: use the CPU even if there is a GPU.
    """
    wanted = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    with contextlib.nullcontext() if torch.get_default_device().type == wanted.type else wanted:
        yield wanted
