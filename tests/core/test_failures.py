"""Where errors end: one message, a status, and a log file of an unexpected one."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from ocp_dc.cli import main
from ocp_dc.core import failures
from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.core.failures import exit_status


def raising(error: BaseException):
    def run() -> int:
        raise error

    return run


def ended(error: BaseException, capsys: pytest.CaptureFixture, debug: bool = False) -> tuple[int, str]:
    status = exit_status(raising(error), ["prepare", "a file"], debug)
    return status, capsys.readouterr().err


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(failures.SHOW, raising=False)


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (UserError("got 3, expected 4"), 2, "error: got 3, expected 4\n"),
        (DivergenceError(3, "the loss", "lower it"), 1, "error: training diverged at step 3"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("saved"), 130, "interrupted: saved\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a.bin"), 2, "error: a.bin: no space is left"),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "error: a file: no space is left"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2, "error: out: Permission denied: you lack"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/x"), 2, "error: f/x: Not a directory: a file is"),
        (OSError(errno.ELOOP, "Too many levels", b"l\xff"), 2, "links lead in a circle"),
        (MemoryError(), 2, "error: not enough memory; make"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4e18 bytes"), 2, "not enough"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), 2, "error: not enough memory: CUDA"),
    ],
)
def test_expected_errors(capsys, tmp_path, error, status, expected):
    found, text = ended(error, capsys)
    assert found == status
    assert expected in text
    assert len(text.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_real_memory_errors(capsys):
    for allocate in (lambda: np.empty(10**15), lambda: torch.empty(10**15), lambda: bytearray(10**15)):
        try:
            allocate()
        except (MemoryError, RuntimeError) as error:
            status, text = ended(error, capsys)
            assert status == 2
            assert text.startswith("error: not enough memory")


def unexpected() -> int:
    return int(torch.ones(3) @ torch.ones(4))


def test_an_unexpected_error(capsys, tmp_path):
    assert exit_status(unexpected, ["evaluate", "a file"]) == 2
    text = capsys.readouterr().err
    found = re.fullmatch(
        r"error: an unexpected error in tests: RuntimeError: .*; the traceback is in (.*\.log)\n", text
    )
    assert found is not None
    log = Path(found[1])
    assert log.parent == tmp_path
    content = log.read_text()
    for part in (
        "command: ocp-dc evaluate 'a file'",
        f"torch {version('torch')}",
        "platform: Python 3",
        "in unexpected",
    ):
        assert part in content
    assert "Traceback" not in text


def test_the_package_is_named_and_not_pythons_library(capsys):
    import yaml

    with pytest.raises(AttributeError) as raised:
        yaml.safe_load(cast("str", 3))
    assert "error in yaml: AttributeError" in ended(raised.value, capsys)[1]


def test_a_log_where_the_folder_cannot_be_written(capsys, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(failures.Path, "cwd", lambda: Path("/proc/x"))
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: str(elsewhere))
    assert f"traceback is in {elsewhere}" in ended(ValueError("odd"), capsys)[1]
    monkeypatch.setattr(failures.tempfile, "gettempdir", lambda: "/proc/x")
    assert "cannot be written anywhere, OCP_DC_DEBUG=1" in ended(ValueError("odd"), capsys)[1]


def test_debug(capsys, monkeypatch):
    assert "Traceback" in ended(UserError("mistake"), capsys, debug=True)[1]
    monkeypatch.setenv(failures.SHOW, "1")
    assert "Traceback" in ended(UserError("mistake"), capsys)[1]
    monkeypatch.setenv(failures.SHOW, "0")
    assert "Traceback" not in ended(UserError("mistake"), capsys)[1]


@pytest.mark.parametrize("place", range(4))
def test_debug_anywhere_in_a_command(capsys, place):
    arguments = ["study", "report", "missing"]
    arguments.insert(place, "--debug")
    assert main(arguments) == 2
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.splitlines()[-1].startswith("error: missing: has no study.json")


def test_debug_before_main(capsys):
    assert main(["--debug", "main", "--mode", "train", "--config-yml", "missing.yml"]) == 2
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "missing.yml: no such file" in text


class Broken(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        raise UserError("data.lmdb: record 3: got Error: twice\nexpected once")


def test_an_error_of_a_loader_worker(capsys):
    """torch gives it the worker's traceback for a text; it has its own message again."""
    with pytest.raises(UserError) as raised:
        list(torch.utils.data.DataLoader(Broken(), num_workers=1))
    assert "Original Traceback" not in str(raised.value)
    assert ended(raised.value, capsys) == (2, "error: data.lmdb: record 3: got Error: twice\nexpected once\n")


def test_a_reader_that_stops_reading(tmp_path):
    """``ocp-dc ... | head`` ends without a word; the reader is gone before the command begins."""
    code = (
        "import sys; from ocp_dc.core.failures import exit_status\n"
        "def run():\n  print('x' * 10)\n  return 0\n"
        "sys.exit(exit_status(run, []))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
    assert not list(tmp_path.iterdir())


def test_another_broken_pipe_is_an_error(capsys):
    status, text = ended(BrokenPipeError(errno.EPIPE, "Broken pipe"), capsys)
    assert status == 2
    assert "unexpected error" in text


def test_tensorboards_thread_leaves_its_error_to_the_main_one(capsys):
    class Writer(threading.Thread):
        __module__ = "tensorboard.summary.writer.event_file_writer"

    error = OSError(errno.ENOSPC, "No space left on device")
    for thread, lines in ((Writer(), 0), (threading.Thread(), 2)):
        failures._print_thread_error(threading.ExceptHookArgs((OSError, error, None, thread)))
        assert len(capsys.readouterr().err.splitlines()) == lines
    before = threading.excepthook
    assert exit_status(lambda: int(threading.excepthook is not failures._print_thread_error), []) == 0
    assert threading.excepthook is before
