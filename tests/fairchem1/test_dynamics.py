"""Simulations and relaxations with a checkpoint of fairchem 1.10."""

from __future__ import annotations

import pytest

from tests.helpers.dynamics_checks import check_md, check_relax

pytestmark = pytest.mark.slow


def test_md(trained, ethanol, tmp_path, capsys):
    check_md(trained.checkpoint("best_checkpoint.pt"), ethanol / "test", tmp_path, capsys)


def test_relax(trained, ethanol, tmp_path, capsys):
    check_relax(trained.checkpoint("best_checkpoint.pt"), ethanol / "test", tmp_path, capsys)
