"""Read a checkpoint of either host as a saved potential; the file says which host wrote it."""

from __future__ import annotations

from pathlib import Path

from ocp_dc.checkpoints import from_fairchem1, from_fairchem2
from ocp_dc.checkpoints.inference_checkpoint import read_stored, to_inference_checkpoint
from ocp_dc.checkpoints.saved_potential import SavedPotential
from ocp_dc.checkpoints.stored_objects import StoredCheckpoint
from ocp_dc.training.model_size import bounded_by_checkpoint


def read_potential(checkpoint: str | Path) -> tuple[str, SavedPotential]:
    """Return the host that wrote a checkpoint, ``fairchem1`` or ``fairchem2``, and the potential in it.

    Args:
        checkpoint: a checkpoint of fairchem 1 (of 1.10, of an earlier version, or of ocp_dc), or an inference
            checkpoint of fairchem 2 with a native backbone. It is read as data.

    Raises:
        UserError: the file is missing, damaged or hostile, or its model has no native potential.
    """
    where = f"checkpoint {checkpoint}"
    content = read_stored(checkpoint)
    with bounded_by_checkpoint(checkpoint):
        if isinstance(content, StoredCheckpoint):
            return "fairchem2", from_fairchem2.saved_potential(to_inference_checkpoint(content, where), where)
        return "fairchem1", from_fairchem1.saved_potential(content, where)
