"""Locks: one process at a time, never a stale one, no link followed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.locks import folder_lock

HOLDS = """
import multiprocessing, sys, time
from pathlib import Path
from ocp_dc.core.locks import folder_lock
with folder_lock(Path(sys.argv[1]), "another"):
    if sys.argv[2:] == ["fork"]:  # as a loader worker is, which may outlive a killed parent
        fork = multiprocessing.get_context("fork")
        running = fork.Event()
        fork.Process(target=lambda: (running.set(), time.sleep(600))).start()
        running.wait()
    print(flush=True)
    time.sleep(600)
"""


def holder(folder, *arguments: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder), *arguments], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.parametrize("arguments", [(), ("fork",)])
def test_the_second_is_refused_while_the_first_lives(tmp_path, arguments):
    process = holder(tmp_path, *arguments)
    try:
        message = rf"another training works here \(process {process.pid} on .* since 2.*\); wait for it, or stop it"
        with pytest.raises(UserError, match=message), folder_lock(tmp_path, "another training"):
            pass
        process.kill()
        process.wait()
        with folder_lock(tmp_path, "another training"):  # at once, also where a child of it lives on
            assert f"process {os.getpid()} on " in (tmp_path / ".lock").read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):  # nobody is left where it had no child
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_patience(tmp_path):
    process = holder(tmp_path)
    start = time.monotonic()
    threading.Timer(0.5, process.kill).start()
    with folder_lock(tmp_path, "another", patience=300):
        assert 0.5 <= time.monotonic() - start < 300
    process.communicate()


@pytest.mark.parametrize("content", ["", "process 1 on there\n", "\0\x1b[31m"])
def test_a_stale_file_blocks_nobody(tmp_path, content):
    (tmp_path / ".lock").write_text(content)
    for _ in range(2):
        with folder_lock(tmp_path / "new" / "folder", "another"), folder_lock(tmp_path, "another"):
            pass


def test_two_in_one_process(tmp_path):
    with (
        folder_lock(tmp_path, "another"),
        pytest.raises(UserError, match="another works here"),
        folder_lock(tmp_path, "another"),
    ):
        pass


def test_a_link_is_not_followed(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    for target in (theirs, tmp_path / "missing"):
        (tmp_path / ".lock").symlink_to(target)
        with pytest.raises(UserError, match=r"\.lock: is a link"), folder_lock(tmp_path, "another"):
            pass
        (tmp_path / ".lock").unlink()
    assert theirs.read_text() == "theirs"
    assert not (tmp_path / "missing").exists()


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(UserError, match="not a regular file"), folder_lock(tmp_path, "another"):
        pass
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"\.lock: cannot be written"), folder_lock(tmp_path, "another"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a file"), folder_lock(tmp_path / "file", "another"):
        pass


def test_a_file_system_without_locks(tmp_path, monkeypatch, caplog):
    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with caplog.at_level(logging.WARNING), folder_lock(tmp_path, "another"):
        assert "has no locks" in caplog.text
