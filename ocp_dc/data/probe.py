"""A small structure that every model can compute."""

from __future__ import annotations

import numpy as np

from ocp_dc.data.frames import Frame

# A twisted H-O-O-H, in Å: the fewest atoms that have quadruplets for GemNet-OC. No three atoms are on a line, the four
# are not in a plane, and no bond is along an axis, from which some models derive frames.
_NUMBERS = (1, 8, 8, 1)
_POSITIONS = ((0.31, 0.93, 0.08), (0.12, 0.03, 0.33), (1.38, -0.33, 0.93), (1.97, -0.21, 0.17))
_CELL = 30.0  # Å; large enough that a periodic model sees one molecule and no images
PROBE_EDGES = 3.0  # Å; the largest distance of two atoms is 2.02 Å


def probe_frame() -> Frame:
    """Return a molecule of four atoms in a large periodic cell."""
    count = len(_NUMBERS)
    return Frame(
        numbers=np.array(_NUMBERS),
        positions=np.array(_POSITIONS) + _CELL / 2,  # in the middle of the cell, so that no atom is wrapped
        energy=0.0,
        forces=np.zeros((count, 3)),
        cell=_CELL * np.eye(3),
        pbc=np.ones(3, dtype=bool),
        fixed=np.zeros(count, dtype=np.int64),
        tags=np.full(count, 2),
    )
