"""Records of a run: another content gets another name."""

from __future__ import annotations

from ocp_dc.fairchem1.records import keep


def test_nothing_is_lost(tmp_path):
    path = tmp_path / "config.yml"
    names = [keep(path, text).name for text in ("one", "two", "one", "two", "three")]
    assert names == ["config.yml", "config-2.yml", "config.yml", "config-2.yml", "config-3.yml"]
    assert path.read_text() == "one"
    assert (tmp_path / "config-2.yml").read_text() == "two"
