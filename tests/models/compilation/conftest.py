"""One compiled function for all tests of the folder: compiling takes most of their time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ocp_dc.models.compilation.accelerator import Accelerator

from tests.helpers.compile_cache import compile_cache
from tests.helpers.toy_potential import SIZES, Toy, toy_batch


@pytest.fixture(scope="session")
def compiled_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of compiled functions for the tests, in place of the user's."""
    with compile_cache(tmp_path_factory.mktemp("cache")) as folder:
        yield folder


@pytest.fixture(scope="session")
def compiled(compiled_cache: Path) -> tuple[Toy, Accelerator]:
    """A potential and its accelerator, with a function that was compiled with molecules of SIZES."""
    torch.manual_seed(0)
    model, accelerator = Toy(), Accelerator()
    accelerator.enable()
    accelerator.energy_and_forces(model, *toy_batch(SIZES))
    assert accelerator.is_compiled
    return model, accelerator
