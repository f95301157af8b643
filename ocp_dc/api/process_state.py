"""Keep what a training run changes in its process: logging, signal handlers, random states, environment."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM)  # fairchem 2 handles them, and goes on to do so after its run


@contextlib.contextmanager
def unchanged_process() -> Iterator[None]:
    """Restore, after the block, what fairchem's main sets for the process in which it runs.

    It is made for one run a process: it seeds the random generators, adds handlers of the log and of
    signals, and sets environment variables.

    Raises:
        KeyboardInterrupt: fairchem's handler of Ctrl-C has ended the run.
    """
    with _kept_log(), _kept_signals(), _kept_places(), _kept_torch(), warnings.catch_warnings():
        try:
            yield
        except SystemExit as error:
            if error.code in (None, 0):  # raised by fairchem 2 in its handler
                raise KeyboardInterrupt("stopped by a signal") from error
            raise


@contextlib.contextmanager
def _kept_log() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


@contextlib.contextmanager
def _kept_signals() -> Iterator[None]:
    """Restore handlers of signals; Python allows setting them in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _kept_places() -> Iterator[None]:
    """Restore the working folder, the environment variables and the hook of uncaught errors."""
    folder, variables, hook = Path.cwd(), dict(os.environ), sys.excepthook
    try:
        yield
    finally:
        os.chdir(folder)
        sys.excepthook = hook
        for name in set(os.environ) - set(variables):
            del os.environ[name]
        os.environ.update(variables)


@contextlib.contextmanager
def _kept_torch() -> Iterator[None]:
    """Restore random states, and torch's settings that change results or speed."""
    import torch

    from ocp_dc.training.random_states import get_random_states, set_random_states

    states, dtype, threads = get_random_states(), torch.get_default_dtype(), torch.get_num_threads()
    deterministic, grad = torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()
    try:
        yield
    finally:
        set_random_states(states)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        torch.set_grad_enabled(grad)
