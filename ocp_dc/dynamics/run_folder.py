"""The folder of a simulation: settings, state, log and trajectory, which an interrupted run continues."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ocp_dc.core import row_table
from ocp_dc.core.digests import content_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_record, write_record
from ocp_dc.dynamics.trajectory import append_frame, cut_frames, frame_of

SETTINGS, STATE, LOG = "settings.json", "state.json", "log.csv"
ANOTHER = "name another folder with --out, or remove this one"


class RunFolder:
    """The files of a simulation.

    Args:
        path: the folder.
        trajectory: the name of the trajectory in it.
    """

    def __init__(self, path: Path, trajectory: str) -> None:
        self.path, self.trajectory, self.log = path, path / trajectory, path / LOG
        self.frames = 0

    def check_settings(self, settings: Mapping[str, Any]) -> bool:
        """Return whether the folder holds a run with these settings; write them if it holds none.

        Raises:
            UserError: it holds a run with other settings, or files of something else.
        """
        path = self.path / SETTINGS
        if not path.exists():
            if taken := [name for name in (STATE, LOG, self.trajectory.name) if (self.path / name).exists()]:
                raise UserError(f"{self.path}: has {', '.join(taken)} but no {SETTINGS}; {ANOTHER}")
            write_record(path, settings)
        before = read_record(path, ANOTHER)
        for name in [*settings, *(name for name in before if name not in settings)]:
            if before.get(name) != settings.get(name):
                raise UserError(
                    f"{self.path}: holds a run with {name} {before.get(name)!r}, got {settings.get(name)!r}; {ANOTHER}"
                )
        if (self.path / STATE).exists():
            return True
        for leftover in (self.log, self.trajectory):  # of a run that was killed before its first state
            leftover.unlink(missing_ok=True)
        return False

    def save(self, atoms: Atoms, state: Mapping[str, Any]) -> None:
        """Save the atoms, all that the next steps depend on, and the number of frames."""
        exact = {
            "positions": atoms.positions.tolist(),
            "momenta": atoms.get_momenta().tolist(),
            "cell": atoms.cell.array.tolist(),
        }
        write_record(self.path / STATE, {**state, **exact, "frames": self.frames})

    def restore(self, atoms: Atoms) -> dict[str, Any]:
        """Set the atoms to the saved ones, cut log and trajectory at their step, and return the rest of the state.

        Raises:
            UserError: a file is damaged, or the run stopped.
        """
        state = read_record(self.path / STATE, ANOTHER)
        if state["stopped"] is not None:
            raise UserError(f"{self.path}: holds a run that stopped at {state['stopped']}; {ANOTHER}")
        atoms.set_cell(state["cell"])
        atoms.set_positions(state["positions"], apply_constraint=False)
        atoms.set_momenta(state["momenta"], apply_constraint=False)
        row_table.cut_after(self.log, state["step"])
        self.frames = state["frames"]
        cut_frames(self.trajectory, self.frames)
        return state

    def add(self, row: Mapping[str, object], atoms: Atoms, constraints: list) -> None:
        """Append a row to the log and a frame to the trajectory."""
        row_table.add_row(self.log, row)
        append_frame(self.trajectory, frame_of(atoms, constraints))
        self.frames += 1

    def columns(self) -> dict[str, np.ndarray]:
        """Return the columns of the log."""
        names, rows = row_table.read(self.log, "the log of a simulation")
        values = np.array([[float(cell or "nan") for cell in row] for row in rows]).reshape(len(rows), len(names))
        return dict(zip(names, values.T, strict=True))


def structure_digest(atoms: Atoms) -> str:
    """Return a digest of the structure that a run starts from."""
    found: dict[str, Any] = {"cell": atoms.cell.tolist(), "pbc": atoms.pbc.tolist()}
    arrays = ("numbers", "positions", "momenta", "masses")
    found |= {name: atoms.arrays[name].tolist() for name in arrays if atoms.has(name)}
    found |= {name: float(atoms.info[name]) for name in ("charge", "spin") if atoms.info.get(name)}
    return content_digest({**found, "constraints": [str(constraint.todict()) for constraint in atoms.constraints]})
