"""The contract of wrappers of fairchem 1.x, on its registry and batches."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from ocp_dc.fairchem1.checks.name_check import model_class
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.testing.wrapper_contract import WrapperContract


class Fairchem1WrapperContract(WrapperContract):
    """A subclass whose name begins with Test sets names and arguments, and runs with pytest."""

    def model_class(self, name: str) -> type[torch.nn.Module]:
        """Return the class that is registered under a name."""
        return model_class(name, "model")

    def batch(self, structures: Sequence[Any], dtype: torch.dtype = torch.float32) -> Any:
        """Return a batch of copies of the structures; its edges are found by the model."""
        batch = collate([copy.copy(structure) for structure in structures], otf_graph=True)
        batch.pos, batch.cell = batch.pos.to(dtype), batch.cell.to(dtype)
        return batch
