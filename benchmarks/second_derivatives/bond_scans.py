"""Rigid scans of ethanol along bonds and around its C-O axis, and derivatives along them. Needs numpy and ASE only."""

from __future__ import annotations

import dataclasses

import numpy as np
from ase import Atoms
from ase.neighborlist import build_neighbor_list

POINTS = 200
STRETCH = (-0.1, 0.1)  # in Å from the minimum: three standard deviations of O-H at 500 K, as in the data
FINE_STEP, FINE_POINTS = 1e-4, 501  # in Å or rad; a window of 0.05 around the minimum


@dataclasses.dataclass(frozen=True)
class Scan:
    """Geometries along a path.

    Args:
        name: its name in tables.
        unit: of the coordinate, Å or rad.
        coordinates: [S].
        positions: [S, N, 3], in Å.
        tangents: [S, N, 3], the derivative of the positions by the coordinate.
    """

    name: str
    unit: str
    coordinates: np.ndarray
    positions: np.ndarray
    tangents: np.ndarray

    def slopes(self, forces: np.ndarray) -> np.ndarray:
        """Return the derivative of the energy by the coordinate, [S], from forces [S, N, 3]."""
        slopes: np.ndarray = -(forces * self.tangents).sum(axis=(1, 2))
        return slopes

    def curvatures(self, slopes: np.ndarray) -> np.ndarray:
        """Return the second derivative [S - 1] between neighboring points, from slopes [S]."""
        curvatures: np.ndarray = np.diff(slopes) / np.diff(self.coordinates)
        return curvatures


def bond_scans(atoms: Atoms, fine: bool = False) -> list[Scan]:
    """Return the stretches O-H, C-C and C-O and the torsion C-C-O-H from a minimum of ethanol.

    Args:
        atoms: the minimum.
        fine: only a window around the minimum, in steps of 1e-4 Å or rad.
    """
    methyl, carbon, oxygen, hydrogen = _backbone(atoms)
    fragments = {  # the bond, and the atoms that move
        "O-H": (oxygen, hydrogen, [hydrogen]),
        "C-C": (carbon, methyl, [methyl, *_hydrogens(atoms, methyl)]),
        "C-O": (carbon, oxygen, [oxygen, hydrogen]),
    }
    window = (np.arange(FINE_POINTS) - FINE_POINTS // 2) * FINE_STEP  # [S]
    shifts = window if fine else np.linspace(*STRETCH, POINTS)
    angles = window if fine else np.linspace(0, 2 * np.pi, POINTS)
    stretches = [_stretch(atoms, name, *parts, shifts) for name, parts in fragments.items()]
    return [*stretches, _torsion(atoms, carbon, oxygen, hydrogen, angles)]


def kink(curvatures: np.ndarray) -> float:
    """Return the largest jump of a second derivative [S] in fine steps, without its steady change.

    The jump shows between the second neighbors: within a step with a kink both values are mixed.
    """
    changes = curvatures[2:] - curvatures[:-2]  # [S - 2]
    return float(np.abs(changes - np.median(changes)).max())


def _stretch(atoms: Atoms, name: str, fixed: int, end: int, moving: list[int], shifts: np.ndarray) -> Scan:
    bond = atoms.positions[end] - atoms.positions[fixed]
    length = float(np.linalg.norm(bond))
    tangent = np.zeros_like(atoms.positions)
    tangent[moving] = bond / length
    positions = atoms.positions + shifts[:, None, None] * tangent
    return Scan(name, "Å", length + shifts, positions, np.broadcast_to(tangent, positions.shape))


def _torsion(atoms: Atoms, start: int, end: int, moving: int, angles: np.ndarray) -> Scan:
    axis = atoms.positions[end] - atoms.positions[start]
    axis = axis / np.linalg.norm(axis)
    arm = atoms.positions[moving] - atoms.positions[end]
    along = axis * (arm @ axis)
    first, second = arm - along, np.cross(axis, arm)
    cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]  # [S, 1]
    positions = np.repeat(atoms.positions[None], len(angles), axis=0)
    positions[:, moving] = atoms.positions[end] + along + cosine * first + sine * second
    tangents = np.zeros_like(positions)
    tangents[:, moving] = cosine * second - sine * first
    return Scan("C-C-O-H", "rad", angles, positions, tangents)


def _backbone(atoms: Atoms) -> tuple[int, int, int, int]:
    """Return the methyl carbon, the other carbon, the oxygen and its hydrogen."""
    symbols = atoms.get_chemical_symbols()
    oxygen = symbols.index("O")
    bonds = build_neighbor_list(atoms, self_interaction=False, bothways=True)
    bonded = bonds.get_neighbors(oxygen)[0].tolist()
    carbon = next(index for index in bonded if symbols[index] == "C")
    hydrogen = next(index for index in bonded if symbols[index] == "H")
    methyl = next(index for index, symbol in enumerate(symbols) if symbol == "C" and index != carbon)
    return methyl, carbon, oxygen, hydrogen


def _hydrogens(atoms: Atoms, carbon: int) -> list[int]:
    bonds = build_neighbor_list(atoms, self_interaction=False, bothways=True)
    return [index for index in bonds.get_neighbors(carbon)[0].tolist() if atoms.numbers[index] == 1]
