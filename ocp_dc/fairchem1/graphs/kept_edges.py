"""Edges kept with samples in memory, so that the search runs once per sample and not once per epoch.

The edges of a sample are an attribute of its ``Data`` object outside of PyG's store, and so are those of a batch, which
the collater puts together. Both hold copies of the positions, the cell and pbc for which they were found. A model uses
the edges of a batch only where these are those of the batch: not after a step of a relaxation, nor for a structure that
was adapted to the boundaries of a model.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ocp_dc.fairchem1.graphs.search import Edges, EdgeSearch

NAME = "kept_edges"
MOST_BYTES = 2**30


@dataclass(frozen=True)
class KeptEdges:
    """Edges of a sample or a batch, and what they were found for.

    Attributes:
        search: the settings of the search.
        geometry: positions [N, 3]; if periodic also the cell [B, 3, 3] and, if there is one, pbc [B, 3].
        rows: source, target and, if periodic, images, [2 or 5, E]; int32 for a sample, int64 for a batch.
    """

    search: EdgeSearch
    geometry: tuple[Tensor, ...]
    rows: Tensor

    @property
    def nbytes(self) -> int:
        """The size of the tensors."""
        return sum(tensor.nbytes for tensor in (*self.geometry, self.rows))


class EdgeKeeper:
    """Finds the edges of samples and attaches them, up to a bound on the memory of all of them.

    Args:
        search: the settings of the search.
        most_bytes: the bound.

    Attributes:
        nbytes: the memory of all edges so far.
    """

    def __init__(self, search: EdgeSearch, most_bytes: int = MOST_BYTES) -> None:
        self.search = search
        self._most_bytes = most_bytes
        self.nbytes = 0
        self._is_full = False

    def attach(self, sample: Any) -> None:
        """Attach the edges of a sample, unless the bound is met, which is logged once."""
        if self._is_full:
            return
        kept = _keep(sample, self.search)
        if kept is None:
            return
        if self.nbytes + kept.nbytes > self._most_bytes:
            self._is_full = True
            logging.info(
                f"edges are kept for the samples read so far ({self.nbytes / 2**20:.0f} MiB of at most "
                f"{self._most_bytes / 2**20:.0f} MiB); those of batches with others are found at each step"
            )
            return
        self.nbytes += kept.nbytes
        vars(sample)[NAME] = kept


def collate_edges(samples: Sequence[Any]) -> KeptEdges | None:
    """Return the edges of a batch of samples; None if a sample has none, or they were found differently."""
    kept = [vars(sample).get(NAME) for sample in samples]
    if any(each is None for each in kept):
        return None
    if any(each.search != kept[0].search or len(each.geometry) != len(kept[0].geometry) for each in kept):
        return None
    geometry = tuple(torch.cat(tensors) for tensors in zip(*(each.geometry for each in kept), strict=True))
    rows = torch.cat([each.rows for each in kept], dim=1).long()  # [2 or 5, E]
    atoms = torch.tensor([len(each.geometry[0]) for each in kept])  # [B]
    edges = torch.tensor([each.rows.shape[1] for each in kept])  # [B]
    rows[:2] += torch.repeat_interleave(atoms.cumsum(0) - atoms, edges)
    return KeptEdges(kept[0].search, geometry, rows)


def attach_edges(batch: Any, samples: Sequence[Any]) -> None:
    """Attach the edges of samples to their batch, if all have some."""
    kept = collate_edges(samples)
    if kept is not None:
        vars(batch)[NAME] = kept


def kept_edges(data: Any, search: EdgeSearch) -> Edges | None:
    """Return the edges that are kept with a batch; None unless they were found by this search for this geometry."""
    kept = vars(data).get(NAME)
    if kept is None or kept.search != search or not _are_equal(kept.geometry, _geometry(data, search)):
        return None
    source, target, *images = kept.rows.to(data.pos.device).unbind()
    return Edges(source, target, torch.stack(images, dim=1) if images else None)


def _keep(sample: Any, search: EdgeSearch) -> KeptEdges | None:
    """Find the edges of a sample; None if they depend on its batch.

    fairchem drops the farthest of too many neighbors by an unstable sort of all of a batch, so which of several at the
    same distance remain depends on the other structures.
    """
    single = copy.copy(sample)
    single.natoms = torch.tensor([len(sample.pos)])
    every, squared = search.within_cutoff(single)
    index = search.limit(every, squared, len(sample.pos))
    if isinstance(index, Tensor) and search.periodic and search.strict:
        longest = squared.new_zeros(len(sample.pos))
        longest = longest.scatter_reduce(0, every.target[index], squared[index], "amax")  # [N]
        if (squared[~index] <= longest[every.target[~index]]).any():
            return None
    edges = every.select(index)
    images = () if edges.images is None else edges.images.unbind(1)
    rows = torch.stack([edges.source, edges.target, *images]).int()
    return KeptEdges(search, tuple(tensor.clone() for tensor in _geometry(sample, search)), rows)


def _geometry(data: Any, search: EdgeSearch) -> tuple[Tensor, ...]:
    if not search.periodic:
        return (data.pos.detach(),)
    pbc = data.get("pbc")
    return (data.pos.detach(), data.cell.detach(), *(() if pbc is None else (pbc.reshape(-1, 3),)))


def _are_equal(kept: tuple[Tensor, ...], present: tuple[Tensor, ...]) -> bool:
    return len(kept) == len(present) and all(
        left.dtype == right.dtype and torch.equal(left.to(right.device), right)
        for left, right in zip(kept, present, strict=True)
    )
