"""A forward pass on one small structure that every model can compute."""

from __future__ import annotations

import numpy as np
from torch import nn

from ocp_dc.data.edges import add_edges
from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.fairchem1.train.collate import collate

# A twisted H-O-O-H, in Å: the fewest atoms that have quadruplets for GemNet-OC. No three atoms are on a line, the four
# are not in a plane, and no bond is along an axis, from which some models derive frames.
_NUMBERS = (1, 8, 8, 1)
_POSITIONS = ((0.31, 0.93, 0.08), (0.12, 0.03, 0.33), (1.38, -0.33, 0.93), (1.97, -0.21, 0.17))
_CELL = 30.0  # Å; large enough that a periodic model sees one molecule and no images
_EDGES = 3.0  # Å; the largest distance of two atoms is 2.02 Å


def forward_once(model: nn.Module) -> None:
    """Run a model on a molecule of four atoms in a large cell; the caller sets its mode and restores the random states.

    Args:
        model: a model of fairchem or of :mod:`ocp_dc.fairchem1.models`.
    """
    count = len(_NUMBERS)
    frame = Frame(
        numbers=np.array(_NUMBERS),
        positions=np.array(_POSITIONS) + _CELL / 2,  # in the middle of the cell, so that no atom is wrapped
        energy=0.0,
        forces=np.zeros((count, 3)),
        cell=_CELL * np.eye(3),
        pbc=np.ones(3, dtype=bool),
        fixed=np.zeros(count, dtype=np.int64),
        tags=np.full(count, 2),
    )
    # add edges between all pairs, for models that read them (otf_graph: false)
    batch = collate([add_edges(to_data(frame, sid=0), _EDGES, count)], otf_graph=False)
    parameter = next(model.parameters())
    batch = batch.to(parameter.device)
    batch.pos, batch.cell = batch.pos.to(parameter.dtype), batch.cell.to(parameter.dtype)
    model(batch)
