"""Edges of a batch, and a check of the sizes in a model's arguments."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from ocp_dc.core.numbers import whole_number


@dataclasses.dataclass(frozen=True)
class EdgeGraph:
    """Edges j -> i of a batch; carries no gradient.

    Args:
        source: int64 [E], the atom j of each edge.
        target: int64 [E], the atom i of each edge.
        offsets: [E, 3], added to pos[j] - pos[i] for periodic boundaries, in Å.
        images: int64 [E, 3], the offsets in cell vectors; edges between the same atoms differ in them.
        batch: int64 [N], the structure of each atom.
        natoms: int64 [B], the number of atoms of each structure.
    """

    source: Tensor
    target: Tensor
    offsets: Tensor
    images: Tensor
    batch: Tensor
    natoms: Tensor

    @property
    def count(self) -> int:
        """The number of structures, B."""
        return self.natoms.shape[0]  # not len: a traced size must stay symbolic

    def vectors(self, positions: Tensor) -> Tensor:
        """Return the vector from the target to the source of each edge, [E, 3], in Å."""
        return positions.index_select(0, self.source) - positions.index_select(0, self.target) + self.offsets

    def select(self, rows: Tensor) -> EdgeGraph:
        """Return some of the edges.

        Args:
            rows: bool [E], true for the edges to keep, or int64, their numbers in the wanted order.
        """
        if rows.dtype == torch.bool:
            rows = rows.nonzero().squeeze(1)  # once: each index by a mask waits for the device
        return dataclasses.replace(
            self,
            source=self.source[rows],
            target=self.target[rows],
            offsets=self.offsets[rows],
            images=self.images[rows],
        )


def check_sizes(smallest: int, **sizes: int) -> None:
    """Check sizes among the arguments of a model.

    Args:
        smallest: the smallest valid size.
        sizes: the model's arguments by name.

    Raises:
        UserError: a size is not a whole number, or is too small.
    """
    for name, size in sizes.items():
        whole_number(f"model.{name}", size, smallest)
