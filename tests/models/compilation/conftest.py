"""One compiled function for all tests of the folder: compiling takes most of their time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ocp_dc.core import caches
from ocp_dc.models.compilation import cache
from ocp_dc.models.compilation.accelerator import Accelerator
from ocp_dc.models.compilation.requirements import machine_reason

from tests.helpers.toy_potential import SIZES, Toy, toy_batch


@pytest.fixture(scope="session")
def compiled_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of compiled functions for the tests, in place of the user's."""
    if (reason := machine_reason(torch.device("cpu"))) is not None:
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(caches.VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.delenv(cache.VARIABLE, raising=False)
        yield caches.cache_folder(cache.NAME)


@pytest.fixture(scope="session")
def compiled(compiled_cache: Path) -> tuple[Toy, Accelerator]:
    """A potential and its accelerator, with a function that was compiled with molecules of SIZES."""
    torch.manual_seed(0)
    model, accelerator = Toy(), Accelerator()
    accelerator.enable()
    accelerator.energy_and_forces(model, *toy_batch(SIZES))
    assert accelerator.is_compiled
    return model, accelerator
