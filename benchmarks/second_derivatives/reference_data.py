"""What reference.json holds: GFN2-xTB's minimum, Hessian and scans of ethanol, as arrays."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

FILE = Path(__file__).with_name("reference.json")


@dataclasses.dataclass(frozen=True, eq=False)
class Reference:
    """The reference of all runs.

    Args:
        atoms: the minimum.
        hessian: [3N, 3N], in eV/Å².
        slopes: for each scan the derivative of the energy by its coordinate, [S], in eV per Å or rad.
        kinks: for each scan the largest jump of the second derivative in fine steps.
    """

    atoms: Atoms
    hessian: np.ndarray
    slopes: Mapping[str, np.ndarray]
    kinks: Mapping[str, float]


def load_reference() -> Reference:
    """Return the reference."""
    record = json.loads(FILE.read_text())
    scans = record["scans"]
    return Reference(
        atoms=Atoms(record["numbers"], record["positions_A"]),
        hessian=np.array(record["hessian_eV_A2"]),
        slopes={name: np.array(scan["slopes"]) for name, scan in scans.items()},
        kinks={name: scan["kink"] for name, scan in scans.items()},
    )
