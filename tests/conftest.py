"""Shared by all tests: one thread, and the small data sets that runs are made on."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path

torch.set_num_threads(1)  # the tests run in several processes


def _host() -> str:
    """Return the first number of the version of fairchem-core, or an empty text."""
    try:
        return version("fairchem-core").partition(".")[0]
    except PackageNotFoundError:
        return ""


# Each host has its environment: tests/fairchem2 runs in that of fairchem 2; api, interfaces and test_hosts.py in both;
# everything else in that of fairchem 1.10.
if _host() == "2":
    collect_ignore = [
        str(path)
        for path in Path(__file__).parent.iterdir()
        if path.name not in ("fairchem2", "helpers", "api", "interfaces", "test_hosts.py")
    ]
else:
    collect_ignore = ["fairchem2"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, so that the processes that share them end at about the same time.

    Raises:
        pytest.UsageError: a test is named after an object's address, so each process would collect another name.
    """
    if addresses := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"the ids of parameters differ between processes; give names: {addresses}")
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: ("compil" not in str(item.path), -slow[item.path], str(item.path)))


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
