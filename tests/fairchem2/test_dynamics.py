"""Simulations and relaxations with a checkpoint of fairchem 2."""

from __future__ import annotations

import pytest

from tests.helpers.dynamics_checks import check_md, check_relax

pytestmark = pytest.mark.slow


def test_md(checkpoint, ethanol, tmp_path, capsys):
    check_md(checkpoint, ethanol / "test", tmp_path, capsys)


def test_relax(checkpoint, ethanol, tmp_path, capsys):
    check_relax(checkpoint, ethanol / "test", tmp_path, capsys)
