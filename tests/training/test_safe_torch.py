"""Files of torch.save: damaged ones are refused, whole ones read, and others named for what they are."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import warnings
import zipfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.training.safe_torch import load_torch

CONTENT = {"weights": torch.arange(6.0), "flags": torch.tensor([True, False]), "config": {"name": "x", "list": [1, 2]}}


def same(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and one.dtype == two.dtype and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    return one == two


@pytest.fixture
def whole(tmp_path) -> Path:
    torch.save(CONTENT, tmp_path / "whole.pt")
    return tmp_path / "whole.pt"


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_whole_files(tmp_path, zipped):
    torch.save(CONTENT, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert same(load_torch(tmp_path / "a.pt"), CONTENT)


def test_every_flipped_bit_is_refused_or_changes_nothing(whole, tmp_path):
    """Bits all over the file, and the marks of folders in its directory, which torch obeys."""
    content, draw = whole.read_bytes(), random.Random(3)
    directory = content.index(b"PK\x01\x02")
    flips = [(draw.randrange(len(content)), draw.randrange(8)) for _ in range(400)]
    flips += [(match.start() + 38, 4) for match in re.finditer(b"PK\x01\x02", content)]
    assert any(place > directory for place, _ in flips[:400])
    damaged, refused = tmp_path / "damaged.pt", 0
    for place, bit in flips:
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        damaged.write_bytes(changed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = load_torch(damaged)
        except UserError:
            refused += 1
        else:
            assert same(found, CONTENT), (place, bit)
    assert refused > len(flips) / 4  # the others lie in padding and dates


def test_truncated(whole):
    content = whole.read_bytes()
    for length in (4, 100, len(content) // 2, len(content) - 1):
        whole.write_bytes(content[:length])
        with pytest.raises(UserError, match=r"whole\.pt: it is truncated or damaged"):
            load_torch(whole)


def _lmdb(path: Path) -> None:
    with lmdb.open(str(path), subdir=False) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"0", b"1")


def _sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table t (a)")
    connection.close()


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, x=np.zeros(2))


def _npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such file"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_text('{"a": 1}'), "a JSON file"),
        (lambda path: path.write_text("<!DOCTYPE html><html>404"), "a failed download"),
        (lambda path: path.write_text("model:\n  name: schnet é\n"), "a text file"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda path: path.write_bytes(os.urandom(3) + b"\xff\xfe\0" * 200), "of another program"),
        (_lmdb, "an LMDB"),
        (_sqlite, "an SQLite database"),
        (_npz, r"arrays of NumPy \(\.npz\)"),
        (_npy, r"a NumPy array \(\.npy\)"),
        (lambda path: zipfile.ZipFile(path, "w").writestr("readme.txt", "x"), "a zip archive of readme.txt"),
        (lambda path: torch.jit.save(torch.jit.script(torch.nn.ReLU()), path), "a TorchScript model"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit's
def test_other_files_are_named(tmp_path, make, words):
    make(tmp_path / "x.pt")
    with pytest.raises(UserError, match=rf"x\.pt: .*{words}"):
        load_torch(tmp_path / "x.pt")


def test_a_file_that_unpacks_to_more_than_it_is(whole, tmp_path):
    """A gigabyte of zeros deflates to a megabyte; torch.save never deflates."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) if "data/0" not in name else bytes(50_000_000))
    assert (tmp_path / "bomb.pt").stat().st_size < 100_000
    with pytest.raises(UserError, match="declares more content than it has bytes"):
        load_torch(tmp_path / "bomb.pt")


def test_records_that_overlap(whole):
    """Two entries of the directory that name the same bytes."""
    content = whole.read_bytes()
    first, second = (match.start() for match in list(re.finditer(b"PK\x01\x02", content))[-2:])
    entry = content[first:second]
    directory = content.index(b"PK\x01\x02")
    count = content.count(b"PK\x01\x02")
    with whole.open("wb") as file:
        file.write(content[:directory] + content[directory : content.rindex(b"PK\x06\x06")] + entry * 50)
        end = bytearray(content[content.rindex(b"PK\x05\x06") :])
        end[8:12] = (count + 50).to_bytes(2, "little") * 2
        end[12:16] = (file.tell() - directory).to_bytes(4, "little")
        end[16:20] = directory.to_bytes(4, "little")
        file.write(end)
    with pytest.raises(UserError, match=r"declares more content|holds a record twice|truncated or damaged"):
        load_torch(whole)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_hostile_file_runs_nothing(tmp_path, zipped):
    torch.save({"a": Hostile(tmp_path / "made")}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnsafeDataError, match="could run code"):
        load_torch(tmp_path / "x.pt")
    assert not (tmp_path / "made").exists()


def _with_pickle(whole: Path, target: Path, content: bytes) -> None:
    """Write the archive again with another pickle, checksums and all."""
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, content if name.endswith("data.pkl") else source.read(name))


HEAD = b"\x80\x02"
SHARED = b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(60))  # (t, t) sixty times over
BOMBS = {
    "a key that takes ages to hash": HEAD + b"})" + SHARED + b"K\x01s.",
    "a set of one": HEAD + b"c__builtin__\nset\n])" + SHARED + b"a\x85R.",
    "a buffer": HEAD + b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
    "a tensor without numbers": HEAD + b"ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R.",
    "many of one": HEAD + b"ccollections\nOrderedDict\nq\0]q\1(" + b"h\0)R" * 300_000 + b"e.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_pickles_that_take_time_or_memory(whole, tmp_path, kind):
    """Refused at once; torch would run them, and no code of theirs."""
    _with_pickle(whole, tmp_path / "bomb.pt", BOMBS[kind])
    with pytest.raises(UserError, match="it is refused"):
        load_torch(tmp_path / "bomb.pt")
    (tmp_path / "legacy.pt").write_bytes(HEAD + b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + BOMBS[kind])
    with pytest.raises(UserError, match="it is refused"):
        load_torch(tmp_path / "legacy.pt")


def test_ordinary_content_is_within_the_bounds(tmp_path):
    """Many tensors, an optimizer's state, counters, nested lists of random states."""
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(300)))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5])
    words = {"python": [3, list(range(10**9, 10**9 + 625)), None], "torch": torch.get_rng_state()}
    content = {"model": model.state_dict(), "o": optimizer.state_dict(), "s": schedule.state_dict(), "r": [words] * 64}
    for zipped in (True, False):
        torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
        assert same(load_torch(tmp_path / "a.pt")["model"], content["model"])
