"""A forward pass on one small structure that every model can compute."""

from __future__ import annotations

from torch import nn

from ocp_dc.data.edges import add_edges
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.probe import PROBE_EDGES, probe_frame
from ocp_dc.fairchem1.train.collate import collate


def forward_once(model: nn.Module) -> None:
    """Run a model on a molecule of four atoms in a large cell; the caller sets its mode and restores the random states.

    Args:
        model: a model of fairchem or of :mod:`ocp_dc.fairchem1.models`.
    """
    frame = probe_frame()
    # add edges between all pairs, for models that read them (otf_graph: false)
    batch = collate([add_edges(to_data(frame, sid=0), PROBE_EDGES, frame.natoms)], otf_graph=False)
    parameter = next(model.parameters())
    batch = batch.to(parameter.device)
    batch.pos, batch.cell = batch.pos.to(parameter.dtype), batch.cell.to(parameter.dtype)
    model(batch)
