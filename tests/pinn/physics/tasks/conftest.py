"""DeepXDE on PyTorch, in float64 for one test at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ocp_dc.pinn.deepxde.backend import dde


@pytest.fixture
def float64() -> Iterator[None]:
    """DeepXDE's numbers, and torch's default, in float64."""
    dde.config.set_default_float("float64")
    yield
    dde.config.set_default_float("float32")
