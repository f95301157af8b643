"""Read files of torch.save as data, after verifying their checksums and sizes."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.training.plain_content import check_containers
from ocp_dc.training.torch_pickle import check_pickle

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number of torch.save before 1.6
BEGINNINGS = {  # first bytes of other files that may be named like a checkpoint
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database, such as ASE's .db",
    b"version https://git-lfs": "a pointer of Git LFS, which `git lfs pull` replaces by the file itself",
    b"\x1f\x8b": "a gzip archive",
    b"- of Ulm": "an ASE trajectory",
    b"<": "an HTML or XML page, as a failed download leaves it",
    b"{": "a JSON file",
}
LMDB_MAGIC = b"\xde\xc0\xef\xbe"  # at byte 16
DOS_FOLDER = 0x10
LARGEST_PICKLE = 16 << 20  # bytes of the record that is unpickled; weights are in other records
DAMAGED = "it is truncated or damaged: copy or download it again, or take an older checkpoint"


def load_torch(
    path: str | Path,
    kind: str = "checkpoint",
    map_location: Any = "cpu",
    stand_ins: Mapping[str, type] | None = None,
) -> Any:
    """Return the content of a file of torch.save: only tensors and plain values, nothing that could run code.

    torch.load does not verify the CRC-32 that torch.save writes for each record, so a corrupted byte would go
    unnoticed. The checksums and the declared sizes are verified first.

    Args:
        path: the file; torch's older format, which has no checksums, is read too.
        kind: what the file should be, for messages.
        map_location: the device of the tensors.
        stand_ins: dotted name of a class or function that the file may contain -> the class to use in its place, which
            only keeps what the file says. What the file names is never imported.

    Raises:
        UnsafeDataError: the file contains something other than tensors and plain values.
        UserError: there is no such file, it is damaged, or it is a file of another kind.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{kind} {path}: is a folder, expected a file such as {path / 'best_checkpoint.pt'}")
    if not path.is_file():
        raise UserError(f"{kind} {path}: no such file")
    try:
        if not is_torch_file(path):
            raise UserError(f"{kind} {path}: is {describe(path)}, expected a file that torch.save wrote")
        if _begins_with(path, ZIP):
            _check_archive(path, kind)
        else:
            _check_legacy(path, kind)
        with _stand_ins_for(stand_ins or {}):
            content = torch.load(path, map_location=map_location, weights_only=True)
        check_containers(content, f"{kind} {path}")
        return content
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        if any(word in str(error) for word in ("Unsupported global", "Unsupported class", "GLOBAL", "not allowed")):
            raise UnsafeDataError(
                f"{kind} {path}: holds something other than tensors and plain values, and reading it could run code "
                f"from it; it is refused ({str(error).splitlines()[0]})"
            ) from error
        raise UserError(f"{kind} {path}: {DAMAGED}") from error
    except Exception as error:  # torch raises exceptions of many types for a damaged file
        raise UserError(f"{kind} {path}: {DAMAGED} ({type(error).__name__}: {error})") from error


def _stand_ins_for(names: Mapping[str, type]) -> AbstractContextManager[None]:
    if not names:
        return nullcontext()
    if not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):  # came with such names, in torch 2.6
        raise UserError(
            f"torch {torch.__version__}: cannot read checkpoints of fairchem 2; expected torch 2.6 or later"
        )
    return torch.serialization.safe_globals([(kept, name) for name, kept in names.items()])


def is_torch_file(path: Path) -> bool:
    """Return whether the first bytes of a file are those of torch.save; the file may be incomplete."""
    return _begins_with(path, ZIP, LEGACY) or (_begins_with(path, b"\x80") and not _begins_with(path, *BEGINNINGS))


def describe(path: Path) -> str:
    """Return the kind of a file in words, such as "a JSON file", judging by its first bytes."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        return "empty"
    if head.startswith((ZIP, LEGACY)):
        return "a file of torch.save, such as a checkpoint, or another zip archive"
    if head[16:20] == LMDB_MAGIC:
        return "an LMDB"
    for beginning, words in BEGINNINGS.items():
        if head.lstrip().startswith(beginning):
            return words
    if head.startswith(b"\x80"):
        return "a pickle"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character may be cut at the end of the 512 bytes
            return "a file of another program"
    return "a text file" if b"\0" not in head else "a file of another program"


def _begins_with(path: Path, *beginnings: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(64).startswith(beginnings)


def _check_archive(path: Path, kind: str) -> None:
    """Verify sizes and checksums of a zip archive of torch.save.

    Raises:
        UserError: the archive is damaged, or was written by another program.
    """
    problems = (
        zipfile.BadZipFile,
        struct.error,
        RuntimeError,
        ValueError,
        LookupError,
        OverflowError,
        EOFError,
        OSError,
    )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path, kind)
            damaged = archive.testzip()
            if damaged is None:
                with archive.open(_pickle_of(archive)) as file:
                    check_pickle(file, path.stat().st_size, f"{kind} {path}")
    except UserError:
        raise
    except problems as error:  # RuntimeError includes NotImplementedError
        raise UserError(f"{kind} {path}: {DAMAGED} ({error})") from error
    if damaged is not None:
        raise UserError(f"{kind} {path}: the checksum of its record {damaged} does not fit; {DAMAGED}")


def _check_entries(archive: zipfile.ZipFile, path: Path, kind: str) -> None:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if not any(name.endswith("/data.pkl") for name in names):
        content = "arrays of NumPy (.npz)" if all(name.endswith(".npy") for name in names) else ", ".join(names[:4])
        raise UserError(f"{kind} {path}: is a zip archive of {content}, expected a file that torch.save wrote")
    if any(name.split("/", 1)[-1].startswith("code/") for name in names):
        raise UserError(f"{kind} {path}: is a TorchScript model, expected a file that torch.save wrote")
    stored = all(e.compress_type == zipfile.ZIP_STORED and e.file_size == e.compress_size for e in entries)
    if not stored or sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise UserError(
            f"{kind} {path}: it declares more content than it has bytes, which torch.save never does; it is refused"
        )
    # for a record that is marked as a folder torch returns uninitialized memory
    if len(set(names)) < len(names) or any(entry.external_attr & DOS_FOLDER for entry in entries):
        raise UserError(f"{kind} {path}: holds a record twice, or one that is marked as a folder; {DAMAGED}")
    size = _pickle_of(archive).file_size
    if size > LARGEST_PICKLE:
        raise UserError(
            f"{kind} {path}: its pickle has {size >> 20} MiB, expected at most {LARGEST_PICKLE >> 20}; it is refused"
        )


def _pickle_of(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the largest record that torch might unpickle; files of torch.save have one."""
    pickles = [entry for entry in archive.infolist() if entry.filename.endswith("data.pkl")]
    return max(pickles, key=lambda entry: entry.file_size)


def _check_legacy(path: Path, kind: str) -> None:
    """Check the five pickles at the beginning of torch's format before 1.6: marks, versions, content, names."""
    with path.open("rb") as file:
        for _ in range(5):
            check_pickle(file, path.stat().st_size, f"{kind} {path}")
