"""The folder of a cache: the variable first, then the user's cache."""

from __future__ import annotations

import platformdirs
import pytest

from ocp_dc.core.caches import cache_folder


def test_the_order_of_places(monkeypatch, tmp_path):
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("basis") == tmp_path / "own" / "basis"
    monkeypatch.setenv("OCP_DC_CACHE", "~/mine")
    assert cache_folder("md17") == tmp_path / "mine" / "md17"
    for empty in ("", None):
        monkeypatch.setenv("OCP_DC_CACHE", "") if empty == "" else monkeypatch.delenv("OCP_DC_CACHE")
        assert cache_folder("basis") == tmp_path / "shared" / "ocp_dc" / "basis"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("md17") == tmp_path / ".cache" / "ocp_dc" / "md17"


def test_a_user_without_a_home(monkeypatch):
    monkeypatch.delenv("OCP_DC_CACHE", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *names, **options: "~/.cache/ocp_dc")
    with pytest.raises(RuntimeError, match="no home"):
        cache_folder("basis")
