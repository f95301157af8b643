"""Files that cannot be written: one message with path, reason and mend."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing, write_csv, write_json
from ocp_dc.core.write_errors import WriteError, reason, write_errors

NO_SPACE = "no space is left"
# files may not grow beyond 4 KiB: EFBIG stands for a full disk, wherever a library meets it
LIMITED = """
import resource, signal, sys
from pathlib import Path
import h5py, lmdb, numpy as np, torch
from ocp_dc.core.files import replacing, replacing_folder
from ocp_dc.core.write_errors import WriteError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
big = np.random.default_rng(0).random(100_000)


def torch_save(path):
    torch.save({"a": torch.from_numpy(big)}, path)


def savez(path):
    with path.open("wb") as file:
        np.savez_compressed(file, big=big)


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["big"] = big


def text(path):
    path.write_text("x" * 100_000)


def to_lmdb(path):
    with lmdb.open(str(path / "data.lmdb"), subdir=False, map_size=1 << 24, lock=False) as env:
        with env.begin(write=True) as transaction:
            transaction.put(b"0", big.tobytes())


folder = Path(sys.argv[1])
for write, context in ((torch_save, replacing), (savez, replacing), (hdf5, replacing), (text, replacing),
                       (to_lmdb, replacing_folder)):
    path = folder / write.__name__
    try:
        with context(path) as new:
            write(new)
    except WriteError as error:
        assert str(error).startswith(f"{path}: cannot be written: "), error
    else:
        raise AssertionError(write)
assert not list(folder.iterdir()), list(folder.iterdir())
"""


def test_every_library_that_writes(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def full(path) -> None:
    with replacing(path), open("/dev/full", "w") as file:  # noqa: PTH123
        file.write("text")


def test_a_full_disk(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(WriteError, match=f"a: cannot be written: {NO_SPACE}.*make room"):
        full(tmp_path / "a")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    "text",
    [
        "[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0",
        "PytorchStreamWriter failed writing file data/0: file write failed",
        "Can't write data (file write failed: time = x, errno = 28, error message = 'x')",
        "mdb_txn_commit: No space left on device",
        "mdb_txn_commit: Input/output error",  # of a write that ended too early
    ],
)
def test_what_libraries_say_of_a_full_disk(text):
    assert NO_SPACE in str(reason(RuntimeError(text)))


def test_numpys_short_write():
    assert NO_SPACE in str(reason(OSError("80000 requested and 4096 written")))
    assert reason(OSError("80000 requested")) is None


def test_an_error_while_closing_hides_nothing():
    closing = RuntimeError("cannot close")
    closing.__context__ = OSError(28, "No space left on device")
    assert NO_SPACE in str(reason(closing))


def test_other_errors_stay_what_they_are(tmp_path):
    for error in (RuntimeError("shapes differ"), ValueError("x"), UserError("mistake"), KeyError("x")):
        with pytest.raises(type(error)) as raised, write_errors(tmp_path):
            raise error
        assert raised.value is error
    with pytest.raises(FileNotFoundError, match="elsewhere"), write_errors(tmp_path / "a"):
        open("/elsewhere/x")  # noqa: PTH123, SIM115


def test_things_in_the_way(tmp_path):
    file, loop, folder = (tmp_path / name for name in ("file", "loop", "folder"))
    file.write_text("theirs")
    loop.symlink_to(loop)
    folder.mkdir()
    for path, why in (
        (file / "a.json", "a file, or .* is where a folder is needed"),
        (loop / "a.json", "a link that leads nowhere"),
        (loop / "a" / "a.json", "links lead in a circle|leads nowhere"),
        (folder, "a folder has that name"),
    ):
        for write in (lambda p: write_json(p, {}), lambda p: write_csv(p, [{"a": 1}])):
            with pytest.raises(UserError, match=why):
                write(path)
    with pytest.raises(WriteError, match="cannot be made"):
        write_json("/proc/x/a.json", {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]
