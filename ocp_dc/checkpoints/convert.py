"""``ocp-dc convert``: a checkpoint of one version of fairchem to the other; the file says which it is."""

from __future__ import annotations

from pathlib import Path

import torch

from ocp_dc.checkpoints.inference_checkpoint import write_inference_checkpoint
from ocp_dc.checkpoints.read import read_potential
from ocp_dc.checkpoints.to_fairchem1 import fairchem1_checkpoint
from ocp_dc.checkpoints.to_fairchem2 import inference_checkpoint
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.training.model_size import bounded_by_checkpoint


def convert_checkpoint(source: str | Path, out: str | Path) -> str:
    """Convert a checkpoint, and return what was done in a line.

    Args:
        source: a checkpoint of fairchem 1 (of 1.10, of an earlier version, or of ocp_dc), or an inference checkpoint
            of fairchem 2 with a native backbone. Both are read as data.
        out: the file to write; it must not exist.

    Raises:
        UserError: ``out`` exists, or the checkpoint is damaged, hostile or cannot be converted; the message says why.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        raise UserError(f"{out}: exists; name a new file")
    host, saved = read_potential(source)
    with bounded_by_checkpoint(source):
        if host == "fairchem2":
            content = fairchem1_checkpoint(saved, f"checkpoint {source}")
            with replacing(out) as new:
                torch.save(content, new)
            return f"{out}: {saved.model.title} for fairchem 1.10 (dc_{saved.model.name})"
        write_inference_checkpoint(inference_checkpoint(saved), out)
    return f"{out}: {saved.model.title} for fairchem 2.24 ({saved.model.backbone})"
