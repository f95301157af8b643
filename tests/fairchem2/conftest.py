"""A small trained SchNet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.fairchem2_runs import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, ethanol: Path) -> Path:
    """The folder of a short run on the bundled ethanol."""
    out = tmp_path_factory.mktemp("trained")
    done = train(out, "run", ethanol)
    assert done.returncode == 0, done.stderr
    return out / "run"


@pytest.fixture(scope="session")
def checkpoint(trained: Path) -> Path:
    """The best checkpoint of the short run."""
    return trained / "results" / "best_inference_ckpt.pt"
