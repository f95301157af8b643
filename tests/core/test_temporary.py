"""Temporary files: those of dead processes go, those of living ones stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from ocp_dc.core import temporary
from ocp_dc.core.files import replacing, replacing_folder, write_json

WRITES = """
import sys, time
from ocp_dc.core.files import replacing
with replacing(sys.argv[1]) as new:
    new.write_text("half")
    print(flush=True)
    time.sleep(600)
"""


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_killed_in_the_middle_of_a_write(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    process = subprocess.Popen([sys.executable, "-c", WRITES, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        write_json(tmp_path / "result.json", {"a": 1})  # while the other one lives
        assert len(names(tmp_path)) == 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = path.read_text()
    assert len(names(tmp_path)) == 2
    write_json(tmp_path / "other.json", {})  # another file's leftovers are not its business
    assert len(names(tmp_path)) == 3
    write_json(path, {"a": 1})
    assert names(tmp_path) == ["other.json", "result.json"]
    assert path.read_text() == before


def test_leftovers_of_earlier_versions(tmp_path, dead):
    (tmp_path / f".out.{dead}.tmp").write_text("half")
    (tmp_path / f".out.{os.getpid()}.tmp").write_text("of a living process")
    folder = tmp_path / f".out.{dead}.partial"
    folder.mkdir()
    (folder / "data.lmdb").write_text("half")
    with replacing_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == [f".out.{os.getpid()}.tmp", "out"]


def test_of_another_machine_only_the_old_go(tmp_path, dead):
    fresh, old = (tmp_path / f".a.00000000-{dead}-0123456{i}.tmp" for i in range(2))
    for path in (fresh, old):
        path.write_text("half")
    os.utime(old, (time.time() - 2 * temporary.OLD,) * 2)
    write_json(tmp_path / "a", {})
    assert names(tmp_path) == [fresh.name, "a"]


def test_a_link_in_the_place_of_a_leftover_is_not_followed(tmp_path, dead):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    (tmp_path / f".out.{dead}.partial").symlink_to(theirs)
    with replacing_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out", "theirs"]
    assert (theirs / "file").read_text() == "theirs"


@pytest.mark.parametrize("name", [".a.txt", ".a.12x.tmp", "a.1.tmp", ".b.1.tmp", ".a.1.tmp.gz", ".a.1.2.tmp", ".a.tmp"])
def test_what_is_no_leftover_stays(tmp_path, name):
    (tmp_path / name).write_text("theirs")
    os.utime(tmp_path / name, (0, 0))
    write_json(tmp_path / "a", {})
    assert (tmp_path / name).exists()


def test_all_leftovers_of_a_folder(tmp_path, dead):
    for name in (f".a.{dead}.tmp", f".b.c.{dead}.partial", "c"):
        (tmp_path / name).write_text("")
    temporary.remove_leftovers(tmp_path)
    assert names(tmp_path) == ["c"]
    temporary.remove_leftovers(tmp_path / "missing")


def test_writers_of_one_file_at_once(tmp_path):
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"
    assert names(tmp_path) == ["a"]


def test_a_process_of_another_user_lives(monkeypatch):
    def kill(process: int, number: int) -> None:
        raise PermissionError

    assert temporary.is_alive(os.getpid())
    monkeypatch.setattr(os, "kill", kill)
    assert temporary.is_alive(1)
