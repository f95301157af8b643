"""Trajectories that are readable at any time: frames are appended one by one."""

from __future__ import annotations

import io
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.extxyz import write_xyz
from ase.io.trajectory import TrajectoryReader, TrajectoryWriter

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.core.write_errors import write_errors

STORED = ("energy", "forces", "stress")


def frame_of(atoms: Atoms, constraints: list) -> Atoms:
    """Return a copy of atoms with the results of their calculator.

    Args:
        atoms: the structure; energy and forces are computed.
        constraints: the constraints of the copy.
    """
    frame = atoms.copy()
    frame.set_constraint(constraints)
    results = {name: value for name, value in atoms.calc.results.items() if name in STORED}
    frame.calc = SinglePointCalculator(frame, **results)
    return frame


def append_frame(path: Path, frame: Atoms) -> None:
    """Append a frame to a trajectory, which is created if there is none.

    Args:
        path: the trajectory, extended XYZ unless it ends in ``.traj``.
        frame: the structure with its results.

    Raises:
        UserError: the file cannot be written.
    """
    with write_errors(path):
        if path.suffix == ".traj":  # its writer counts a frame when it is complete
            with TrajectoryWriter(str(path), mode="a") as trajectory:
                trajectory.write(frame)
            return
        text = io.StringIO()
        write_xyz(text, [frame])
        with path.open("a", encoding="utf-8") as file:
            file.write(text.getvalue())


def cut_frames(path: Path, count: int) -> None:
    """Keep the first frames of a trajectory.

    Args:
        path: the trajectory.
        count: the frames to keep, which must be there.

    Raises:
        UserError: there are fewer frames, or the file cannot be read.
    """
    if not count:
        path.unlink(missing_ok=True)
        return
    try:
        kept = _copied(path, count)
    except (OSError, ValueError, KeyError, IndexError, StopIteration) as error:
        raise UserError(f"{path}: cannot be continued ({error}); remove its folder, or name another one") from error
    if kept < count:
        raise UserError(f"{path}: got {kept} frames, expected {count}; remove its folder, or name another one")


def _copied(path: Path, count: int) -> int:
    with replacing(path) as new:
        if path.suffix == ".traj":
            with TrajectoryReader(str(path)) as frames, TrajectoryWriter(str(new)) as copy:
                kept = min(count, len(frames))
                for index in range(kept):
                    copy.write(frames[index])
            return kept
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = end = 0
        while kept < count and end < len(lines) and end + 2 + int(lines[end]) <= len(lines):
            end += 2 + int(lines[end])
            kept += 1
        new.write_text("".join(lines[:end]), encoding="utf-8")
        return kept
