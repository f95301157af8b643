"""Read flags that a device computes: at once, or a step late, so that the host does not wait for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

import torch
from torch import Tensor

Fail = Callable[[Sequence[bool]], NoReturn]


class FlagReader:
    """Read the flags of finite values: at once, or a step late, so that the host does not wait for a GPU.

    A late reader copies flags to the host without waiting. Those of a step are read at the end of the next one, or by
    :meth:`settle`, which must be called before weights or losses of a step are logged, validated or saved.

    Args:
        late: whether to read a step late.
    """

    def __init__(self, late: bool = False) -> None:
        self._late = late
        self._last_step: list[_Pending] = []
        self._this_step: list[_Pending] = []

    def check(self, finite: Tensor, fail: Fail) -> None:
        """Call a function if a flag is False.

        Args:
            finite: the flags, bool [K].
            fail: raises the error, given the flags.
        """
        pending = _Pending(finite, fail)
        if self._late:
            self._this_step.append(pending)
        else:
            pending.read()

    def end_step(self) -> None:
        """Read the flags of the step before."""
        self._last_step, self._this_step, due = self._this_step, [], self._last_step
        for pending in due:
            pending.read()

    def settle(self) -> None:
        """Read all flags."""
        self.end_step()
        self.end_step()


class _Pending:
    """Flags on their way to the host."""

    def __init__(self, finite: Tensor, fail: Fail) -> None:
        self._flags = finite.detach().to("cpu", non_blocking=True)
        self._copied = torch.cuda.Event() if finite.is_cuda else None
        if self._copied is not None:
            self._copied.record()
        self._fail = fail

    def read(self) -> None:
        if self._copied is not None:
            self._copied.synchronize()
        if not self._flags.all():
            self._fail(self._flags.tolist())
