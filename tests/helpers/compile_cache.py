"""A cache of compiled functions for tests, in place of the user's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ocp_dc.core import caches
from ocp_dc.models.compilation import cache
from ocp_dc.models.compilation.requirements import machine_reason


@contextlib.contextmanager
def compile_cache(folder: Path) -> Iterator[Path]:
    """Keep compiled functions below a folder within the block; skip the tests on machines that cannot compile."""
    if (reason := machine_reason(torch.device("cpu"))) is not None:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(caches.VARIABLE, str(folder))
        patch.delenv(cache.VARIABLE, raising=False)
        yield caches.cache_folder(cache.NAME)
