"""A bound for the model that a checkpoint's config describes: its weights are hardly more than the file has bytes."""

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

FREE = 64 << 20  # bytes
EACH = 4096  # bytes that a tensor and its layer take beside its numbers, and the time that building them takes
PER_BYTE = 16  # of the file: half precision becomes double, surgery builds layers that it replaces
_file: ContextVar[Path | None] = ContextVar("file", default=None)


def describe(path: str | Path) -> None:
    """Note the checkpoint that the model built next comes from, within :func:`bounded_by_checkpoint`."""
    _file.set(Path(path))


@contextmanager
def bounded_by_checkpoint(path: str | Path | None = None) -> Iterator[None]:
    """Stop a model that is built in this block before it takes far more memory than its checkpoint has bytes.

    A tensor takes no memory until it is filled, and it is counted before.

    Args:
        path: the checkpoint; None where :func:`describe` names it.

    Raises:
        UserError: it would.
    """
    token = _file.set(None if path is None else Path(path))
    built = 0

    def count(module: nn.Module, name: str, tensor: Any) -> None:
        nonlocal built
        file = _file.get()
        if file is None or tensor is None:
            return
        built += EACH + tensor.numel() * tensor.element_size()
        if built > FREE + PER_BYTE * file.stat().st_size:
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


def bounded(build: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that builds a model of a checkpoint which it reads itself, within that bound."""

    @wraps(build)
    def within(*args: Any, **options: Any) -> Any:
        with bounded_by_checkpoint():
            return build(*args, **options)

    within.is_bounded = True  # type: ignore[attr-defined]
    return within
