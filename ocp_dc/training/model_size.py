"""Limit the memory of the model that a checkpoint's config describes by the size of the file with its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.modules import module as hooks

from ocp_dc.core.errors import UserError

FREE_BYTES = 64 << 20  # allowed for a checkpoint of any size
BYTES_PER_TENSOR = 4096  # cost of a tensor and its layer beyond its numbers, in memory and time
MODEL_BYTES_PER_FILE_BYTE = 16  # half precision becomes double, and surgery builds layers that it then replaces
_file: ContextVar[Path | None] = ContextVar("file", default=None)


def set_checkpoint(path: str | Path) -> None:
    """Set the checkpoint of the model that is built next, within :func:`bounded_by_checkpoint`."""
    _file.set(Path(path))


@contextmanager
def bounded_by_checkpoint(path: str | Path | None = None) -> Iterator[None]:
    """Raise UserError if a model built in this block would need far more memory than its checkpoint has bytes.

    Tensors are counted before they are filled, so before they use memory.

    Args:
        path: the checkpoint; None if :func:`set_checkpoint` names it.

    Raises:
        UserError: the model is too large for its checkpoint.
    """
    token = _file.set(None if path is None else Path(path))
    built = 0

    def count(module: nn.Module, name: str, tensor: Any) -> None:
        nonlocal built
        file = _file.get()
        if file is None or tensor is None:
            return
        built += BYTES_PER_TENSOR + tensor.numel() * tensor.element_size()
        if built > FREE_BYTES + MODEL_BYTES_PER_FILE_BYTE * file.stat().st_size:
            raise UserError(
                f"checkpoint {file}: its config describes a model of more than {built:,} bytes, but the file, which "
                f"should hold its weights, has {file.stat().st_size:,}; it is refused"
            )

    handles = (
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        _file.reset(token)


def with_size_bound(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``build``, a function that reads a checkpoint and builds its model, with that bound."""

    @wraps(build)
    def within(*args: Any, **options: Any) -> Any:
        with bounded_by_checkpoint():
            return build(*args, **options)

    within.is_bounded = True  # type: ignore[attr-defined]
    return within
