"""Repair fairchem's relaxations: the present interface of ase, and trajectories of molecules."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np


def install() -> None:
    """Apply the repairs; a second call changes nothing."""
    relaxation_interface()
    molecules_in_trajectories()


def relaxation_interface() -> None:
    """Add the methods with coordinates as one vector, which ase asks of an optimizable from 3.23 on."""
    optimizable: Any = importlib.import_module("fairchem.core.common.relaxation.optimizable")
    batch_class = optimizable.OptimizableBatch
    methods = {
        "ndofs": lambda self: 3 * len(self),
        "get_x": lambda self: self.get_positions().reshape(-1),
        "set_x": lambda self, x: self.set_positions(x.reshape(-1, 3)),
        "get_gradient": lambda self: -self.get_forces().reshape(-1),
        "get_value": lambda self: self.get_potential_energy(),
    }
    for name, method in methods.items():
        if name in getattr(batch_class, "__abstractmethods__", ()):
            setattr(batch_class, name, method)
    for each in (batch_class, optimizable.OptimizableUnitCellBatch):
        each.__abstractmethods__ = frozenset(each.__abstractmethods__) - set(methods)


def molecules_in_trajectories() -> None:
    """Wrap only structures with a cell when fairchem writes a trajectory: it would wrap molecules too."""
    ase_utils: Any = importlib.import_module("fairchem.core.common.relaxation.ase_utils")
    stock = ase_utils.wrap_positions
    if getattr(stock, "leaves_molecules", False):
        return

    def wrap_periodic(positions: Any, cell: Any, **options: Any) -> Any:
        return stock(positions, cell, **options) if np.linalg.det(cell) != 0 else positions

    wrap_periodic.leaves_molecules = True  # type: ignore[attr-defined]
    ase_utils.wrap_positions = wrap_periodic
