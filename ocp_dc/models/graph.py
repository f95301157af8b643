"""Edges of a batch, and a check of the sizes in a model's arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

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


def edges_of(graph: Any) -> EdgeGraph:
    """Return the first edges in a graph: an :class:`EdgeGraph`, or a dataclass that holds one."""
    if isinstance(graph, EdgeGraph):
        return graph
    for field in dataclasses.fields(graph):
        value = getattr(graph, field.name)
        if dataclasses.is_dataclass(value):
            return edges_of(value)
    raise TypeError(f"a graph of type {type(graph).__name__} holds no edges")


def with_edges(graph: Any, change: Callable[[EdgeGraph], EdgeGraph]) -> Any:
    """Return a copy of a graph in which each :class:`EdgeGraph` is changed.

    Args:
        graph: an :class:`EdgeGraph`, or a dataclass that holds some, also in further dataclasses.
        change: returns the edges that replace others.
    """
    if isinstance(graph, EdgeGraph):
        return change(graph)
    if not dataclasses.is_dataclass(graph) or isinstance(graph, type):
        return graph
    parts = {field.name: with_edges(getattr(graph, field.name), change) for field in dataclasses.fields(graph)}
    return dataclasses.replace(graph, **parts)


def graph_of_atoms(graph: Any) -> Any:
    """Return the same graph with each atom as a structure by itself; edges may join such structures."""

    def separated(edges: EdgeGraph) -> EdgeGraph:
        alone = torch.arange(edges.batch.shape[0], device=edges.batch.device)
        return dataclasses.replace(edges, batch=alone, natoms=torch.ones_like(alone))

    return with_edges(graph, separated)


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
