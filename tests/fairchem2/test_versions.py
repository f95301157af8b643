"""The versions of fairchem 2 that are supported."""

from __future__ import annotations

import pytest

from ocp_dc.fairchem2.versions import installed_version, is_supported


def test_the_installed_version_is_supported() -> None:
    assert is_supported(installed_version())


@pytest.mark.parametrize(
    ("version", "supported"), [("2.24.0", True), ("2.24", True), ("2.240.0", False), ("2.25.0", False), (None, False)]
)
def test_supported_versions(version: str | None, supported: bool) -> None:
    assert is_supported(version) is supported
