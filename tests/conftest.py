"""Shared by all tests: one thread, and the small data sets that runs are made on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path

torch.set_num_threads(1)  # the tests run in several processes


@pytest.fixture(scope="session")
def ethanol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train (40), val (10) and test (10) LMDBs of the bundled ethanol."""
    out = tmp_path_factory.mktemp("ethanol") / "lmdb"
    prepare(sample_path(), out, format="rmd17", units="eV", train=40, val=10, test=10, progress=False)
    return out


@pytest.fixture(scope="session")
def slabs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train (30), val (5) and test (10) LMDBs of the bundled slabs, without edges."""
    out = tmp_path_factory.mktemp("slabs") / "lmdb"
    prepare(slab_sample_path(), out, format="ase", train=30, val=5, test=10, progress=False)
    return out
