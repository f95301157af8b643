"""DeepXDE on PyTorch, in float64 for one test at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["DDE_BACKEND"] = "pytorch"  # before anything imports it, or it writes a file into the home folder


@pytest.fixture
def float64() -> Iterator[None]:
    """DeepXDE's numbers, and torch's default, in float64."""
    import deepxde as dde

    dde.config.set_default_float("float64")
    yield
    dde.config.set_default_float("float32")
