"""The contract of wrappers for fairchem 1.x, with its registry and batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from ocp_dc.fairchem1.checks.name_check import model_class
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.testing.wrapper_contract import WrapperContract


class Fairchem1WrapperContract(WrapperContract):
    """Tests of a wrapper for fairchem 1.x; pytest runs a subclass whose name begins with Test."""

    def model_class(self, name: str) -> type[torch.nn.Module]:
        """Return the class that is registered under a name."""
        return model_class(name, "model")

    def batch(self, structures: Sequence[Any], dtype: torch.dtype = torch.float32) -> Any:
        """Return a batch of copies of the structures; the model finds its edges."""
        batch = collate([copy.copy(structure) for structure in structures], otf_graph=True)
        batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
        return batch
