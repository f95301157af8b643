"""Tests of the Python API train in this process; with fairchem 2 they pass over warnings of its dependencies."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

OF_FAIRCHEM2 = ("FutureWarning", "DeprecationWarning", "ResourceWarning", "UserWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not importlib.metadata.version("fairchem-core").startswith("2."):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for category in OF_FAIRCHEM2:
                item.add_marker(pytest.mark.filterwarnings(f"default::{category}"))
            item.add_marker(pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning"))
