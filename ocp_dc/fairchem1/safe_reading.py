"""What stands in fairchem's data sets in place of pickle, numpy and ase: the same functions, reading data as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.db
import ase.io
import numpy as np

from ocp_dc.data.safe_npz import load_npz
from ocp_dc.data.safe_pickle import loads
from ocp_dc.errors import UnsafeDataError


class SafePickle:
    """Stands where fairchem's LMDB readers name the pickle module."""

    loads = staticmethod(loads)

    @staticmethod
    def load(file: Any) -> object:
        """Read an open file as data."""
        return loads(file.read())


class SafeAse:
    """Stands where fairchem's ase datasets name ase: reads files, and is ase otherwise."""

    io: Any

    def __init__(self) -> None:
        self.io = self

    def __getattr__(self, name: str) -> Any:
        return getattr(ase, name)

    @staticmethod
    def read(filename: Any, **arguments: Any) -> Any:
        """Read a file with ase.io."""
        if Path(filename).is_dir():
            raise UnsafeDataError(
                f"{filename}: refused a folder; ase takes it for a bundle, which may hold pickles, and a pickle can run"
                " code. Expected files: choose them with pattern, or write the bundle as a .traj where it was made"
            )
        # A name such as 'file@0' would be split, and its first part may be a folder.
        return ase.io.read(filename, **{**arguments, "do_not_split_by_at_sign": True})


class SafeNumpy:
    """Stands where fairchem's base dataset names numpy: loads archives as data, and is numpy otherwise."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def load(file: Any, allow_pickle: bool = False) -> Any:
        """Read an npz as data, whatever the caller allows."""
        return load_npz(file)
