"""Records of a run: another content gets another name."""

from __future__ import annotations

import pytest

from ocp_dc.training.records import write_once


def test_nothing_is_lost(tmp_path):
    path = tmp_path / "config.yml"
    names = [write_once(path, text).name for text in ("one", "two", "one", "two", "three")]
    assert names == ["config.yml", "config-2.yml", "config.yml", "config-2.yml", "config-3.yml"]
    assert path.read_text() == "one"
    assert (tmp_path / "config-2.yml").read_text() == "two"


@pytest.mark.parametrize("name", ["config.yml", "surgery.json"])
@pytest.mark.parametrize("before", ["", '{"a": 1', "\0" * 20])
def test_what_a_kill_cut_off_is_written_anew(tmp_path, name, before):
    (tmp_path / name).write_text(before)
    assert write_once(tmp_path / name, '{"a": 1, "b": 2}').name == name
    assert (tmp_path / name).read_text() == '{"a": 1, "b": 2}'


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "config.yml").symlink_to(tmp_path / "theirs")
    write_once(tmp_path / "config.yml", "mine")
    assert (tmp_path / "theirs").read_text() == "theirs"
    assert (tmp_path / "config.yml").read_text() == "mine"
