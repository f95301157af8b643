"""Subnormal numbers are zero within, and as before afterwards."""

from __future__ import annotations

import pytest
import torch

from ocp_dc.training.subnormals import flushed_subnormals

TINY = torch.tensor(1e-40)  # below float32's smallest normal number

pytestmark = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush")


def test_within_and_after():
    assert float(TINY * 1.0) != 0.0
    with flushed_subnormals():
        assert float(TINY * 1.0) == 0.0
        with flushed_subnormals():
            pass
        assert float(TINY * 1.0) == 0.0
    assert float(TINY * 1.0) != 0.0


def test_after_an_error():
    with pytest.raises(KeyError), flushed_subnormals():
        raise KeyError
    assert float(TINY * 1.0) != 0.0
