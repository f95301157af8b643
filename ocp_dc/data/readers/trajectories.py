"""Several files of structures as one source, such as a folder of trajectories of catalysis data."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.data.frames import Frame
from ocp_dc.data.readers.ase_files import AseSource
from ocp_dc.data.readers.label_keys import LabelKeys

SUFFIXES = (".traj", ".db", ".aselmdb", ".xyz", ".extxyz")
COMPRESSED = (".gz", ".bz2", ".xz")  # ase decompresses text files
OPEN_FILES = 128  # trajectories and databases open at a time; a common limit of the system is 1024


def structure_files(sources: Sequence[Path]) -> list[Path]:
    """Return the given files, with each folder replaced by the sorted files of structures in it, at any depth.

    Raises:
        UserError: a folder has no file with a known suffix.
    """
    files: list[Path] = []
    for source in sources:
        if not source.is_dir():
            files.append(source)
            continue
        found = sorted(path for path in source.rglob("*") if _is_known(path) and path.is_file())
        if not found:
            raise UserError(f"{source}: no file of structures in this folder; expected {', '.join(SUFFIXES)}")
        files += found
    return files


def _is_known(path: Path) -> bool:
    suffixes = path.suffixes[-2:]
    if suffixes[-1:] and suffixes[-1] in COMPRESSED:
        return suffixes[0] in (".xyz", ".extxyz")
    return path.suffix in SUFFIXES


class AseFiles:
    """The structures of several files that ase.io reads, one file after another.

    Frames have the ``sid`` and ``fid`` that their file states. Otherwise ``sid`` is the number of the file and ``fid``
    the number of the frame in the file, both from 0.

    Args:
        files: the files, in the order of their numbers.
        unit: the energy unit of all files; None is eV.
        length_unit: the unit of positions and cells of all files; None is Å.
        keys: the names of energies and forces in all files.
        labels: labels must be there; otherwise those that are missing are NaN.

    Raises:
        UserError: :class:`~ocp_dc.data.readers.ase_files.AseSource` raises it for one of the files.
    """

    def __init__(
        self,
        files: Sequence[Path],
        unit: str | None = None,
        length_unit: str | None = None,
        keys: LabelKeys = LabelKeys(),  # noqa: B008 - immutable
        labels: bool = True,
    ) -> None:
        self._labels = labels
        self.name = ", ".join(str(file) for file in files[:3]) + (", ..." if len(files) > 3 else "")
        self._files = list(files)
        self._unit, self._length_unit, self._keys = unit or "eV", length_unit or "Å", keys
        self._notes: dict[str, None] = {}  # a dict keeps the order
        self._open: OrderedDict[int, AseSource] = OrderedDict()  # least recently used first
        self._in_memory: dict[int, AseSource] = {}
        try:
            self._ends = list(accumulate(len(self._source(number)) for number in range(len(files))))
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Frame:
        number, fid = self._locate(index)
        source = self._source(number)
        frame = source[fid]
        self._notes.update(dict.fromkeys(source.notes()))
        return frame if frame.sid is not None else replace(frame, sid=number, fid=fid)

    def where(self, index: int) -> str:
        """Return the file of a structure, and its number in the file."""
        number, fid = self._locate(index)
        return f"{self._files[number]}: frame {fid}"

    def notes(self) -> list[str]:
        """Return remarks on the labels of the structures read so far."""
        return list(self._notes)

    def describe(self) -> dict[str, object]:
        """Return the format, the units, and each file with its number of frames, in the order of ``sid``."""
        lengths = [end - start for start, end in zip([0, *self._ends], self._ends, strict=False)]
        files = [{"file": str(file), "frames": n} for file, n in zip(self._files, lengths, strict=True)]
        return {"format": "ase", "units": self._unit, "length_units": self._length_unit, "files": files}

    def close(self) -> None:
        """Close the files."""
        for source in self._open.values():
            source.close()

    def _locate(self, index: int) -> tuple[int, int]:
        """Return the number of the file of a structure, and the number of the structure in the file."""
        number = bisect_right(self._ends, index)
        return number, index - (self._ends[number - 1] if number else 0)

    def _source(self, number: int) -> AseSource:
        if number in self._in_memory:
            return self._in_memory[number]
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        source = AseSource(self._files[number], self._unit, self._length_unit, self._keys, self._labels)
        if source.in_memory:  # keeping it is cheaper than reading it again
            self._in_memory[number] = source
            return source
        self._open[number] = source
        if len(self._open) > OPEN_FILES:
            self._open.popitem(last=False)[1].close()
        return source
