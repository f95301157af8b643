"""Extended XYZ files that grow batch by batch, and go on where an interrupted process stopped."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from ase import Atoms
from ase.io.extxyz import write_extxyz

from ocp_dc.core.errors import UserError
from ocp_dc.core.lock_calls import try_lock
from ocp_dc.core.write_errors import write_errors
from ocp_dc.evaluation.batches import batches


class GrowingFile:
    """An extended XYZ file under a temporary name beside its place, which it takes when it is complete.

    The temporary name ends with a digest of the job, so that only the same job continues it. What an interrupted
    process left is kept up to the last batch that is surely whole, so that the batches, and with them the bytes of the
    file, are those of an uninterrupted process.

    Args:
        path: the place of the file.
        job: the digest of everything on which the content depends.
        batch_size: the structures of a batch, see :func:`ocp_dc.evaluation.batches.batches`.
        overwrite: replace a file at ``path``.

    Raises:
        UserError: there is a file at ``path``, and ``overwrite`` is False.
    """

    def __init__(self, path: Path, job: str, batch_size: int, overwrite: bool) -> None:
        self.path, self._batch_size = path, batch_size
        self.partial = path.with_name(f"{path.name}.{job[:12]}.partial")
        check_output_file(path, overwrite)
        others = [each for each in path.parent.glob(f"{path.name}.*.partial") if each != self.partial]
        if others:
            logging.warning(
                f"{others[0]}: an unfinished output of another job (checkpoint, file, options) is left alone; remove it"
            )

    @contextlib.contextmanager
    def open(self) -> Iterator[tuple[BinaryIO, int]]:
        """Yield the file, open for appending, and the number of structures in it; at the end it takes its place.

        Raises:
            WriteError: it cannot be written.
        """
        with write_errors(self.partial):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.partial.open("a+b") as file:
                self._lock(file)
                done, end = whole_batches(file, self._batch_size)
                file.truncate(end)
                try:
                    yield file, done
                finally:
                    file.flush()
                    if not os.fstat(file.fileno()).st_size:  # nothing to go on with
                        self.partial.unlink()
                os.fsync(file.fileno())
                self.partial.replace(self.path)

    def _lock(self, file: BinaryIO) -> None:
        """Lock the file until it is closed.

        Raises:
            UserError: another process has locked it.
        """
        with contextlib.suppress(OSError):  # file systems without locks
            if not try_lock(file.fileno()):
                raise UserError(f"{self.partial}: another process writes it; wait for that one, or stop it")


def check_output_file(path: Path, overwrite: bool) -> None:
    """Check that an output can be written.

    Raises:
        UserError: the file exists and must not be overwritten, or is a folder.
    """
    if path.is_dir():
        raise UserError(f"{path}: is a folder, expected the name of a file such as {path / 'out.xyz'}")
    if path.exists() and not overwrite:
        raise UserError(f"{path}: exists; name another file, or give --overwrite")


def whole_batches(file: BinaryIO, batch_size: int) -> tuple[int, int]:
    """Return the number of structures and of bytes of the whole batches at the beginning of an extended XYZ file.

    The last batch does not count, as more structures may belong to it.
    """
    ends = [0]
    sizes = []
    for natoms, end in _frames(file):
        sizes.append(natoms)
        ends.append(end)
    counts = [len(batch) for batch in batches(sizes, int, batch_size)]
    done = sum(counts[:-1])
    return done, ends[done]


def _frames(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield the number of atoms and the end in bytes of each complete frame."""
    file.seek(0)
    while True:
        head = file.readline()
        if not head.endswith(b"\n") or not head.strip().isdigit():
            return
        natoms = int(head)
        for _ in range(natoms + 1):
            if not file.readline().endswith(b"\n"):
                return
        yield natoms, file.tell()


def xyz_bytes(structures: Sequence[Atoms], where: Sequence[str]) -> bytes:
    """Return structures, with the results of their calculators, as extended XYZ.

    Args:
        structures: ase's atoms; what a line of text cannot hold is changed in place: line breaks become spaces, and
            arrays of more than two dimensions are flattened.
        where: their locations, for messages.

    Raises:
        UserError: an entry cannot be written.
    """
    text = io.StringIO()
    for atoms, place in zip(structures, where, strict=True):
        atoms.info = {_one_line(str(key)): _plain(value) for key, value in atoms.info.items()}
        for name, array in atoms.arrays.items():
            array = array.reshape(len(array), -1) if array.ndim > 2 else array
            atoms.arrays[name] = array.astype(np.int64) if array.dtype.kind == "u" else array
        try:
            write_extxyz(text, [atoms])
        except (KeyError, ValueError, TypeError) as error:
            raise UserError(f"{place}: cannot be written as extended XYZ ({error!r})") from error
    return text.getvalue().encode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    """Return a value in a form that the comment line of extended XYZ holds, as text, numbers or JSON."""
    if isinstance(value, str):
        return _one_line(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())
