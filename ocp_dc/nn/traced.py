"""Whether the operations of the moment are recorded for compilation, and not computed."""

from __future__ import annotations

from torch.fx.experimental.proxy_tensor import get_proxy_mode


def is_traced() -> bool:
    """Return whether ``make_fx`` records the operations of the caller.

    A compiler fuses plain operations by itself. Code that saves memory or time in eager mode, such as operations on
    reused memory, gives it less to fuse, and cannot be differentiated after tracing.
    """
    return get_proxy_mode() is not None
