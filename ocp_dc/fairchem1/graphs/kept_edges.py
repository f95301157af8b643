"""Edges kept with samples in memory, so that the search runs once per sample and not once per epoch.

The edges of a sample are an attribute of its ``Data`` object outside of PyG's store, and so are those of a batch, which
the collater puts together. Both hold copies of the positions, the cell and pbc for which they were found. A model uses
the edges of a batch only where these are those of the batch: not after a step of a relaxation, nor for a structure that
was adapted to the boundaries of a model.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from ocp_dc.graphs.search import Edges, EdgeSearch

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

    def attach(self, samples: Sequence[Any]) -> None:
        """Attach the edges of samples, which are found together, up to the bound; meeting it is logged once."""
        if self._is_full or not samples:
            return
        for sample, kept in zip(samples, _find(samples, self.search), strict=True):
            if kept is None:
                continue
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


def _find(samples: Sequence[Any], search: EdgeSearch) -> list[KeptEdges | None]:
    """Find the edges of each sample, by one search if they can share a batch; None if they depend on the batch."""
    geometries = [_geometry(sample, search) for sample in samples]
    alike = len({tuple(tensor.dtype for tensor in geometry) for geometry in geometries}) == 1
    batches = [geometries] if alike else [[geometry] for geometry in geometries]
    return [kept for batch in batches for kept in _find_in_batch(batch, search)]


def _find_in_batch(geometries: Sequence[tuple[Tensor, ...]], search: EdgeSearch) -> list[KeptEdges | None]:
    """Find the edges of samples, given their geometries, by one search.

    fairchem drops the farthest of too many neighbors by an unstable sort of all of a batch, so which of several at the
    same distance remain depends on the other structures: such a sample keeps none.
    """
    atoms = torch.tensor([len(geometry[0]) for geometry in geometries])  # [B]
    values = (torch.cat(tensors) for tensors in zip(*geometries, strict=True))
    batch = Data(natoms=atoms, **dict(zip(("pos", "cell", "pbc"), values, strict=False)))
    every, squared = search.within_cutoff(batch)
    index = search.limit(every, squared, len(batch.pos))
    structure = torch.repeat_interleave(atoms)  # [N]
    dependent = torch.zeros(len(atoms), dtype=torch.bool)  # [B]
    if isinstance(index, Tensor) and search.periodic and search.strict:
        longest = squared.new_zeros(len(batch.pos))
        longest = longest.scatter_reduce(0, every.target[index], squared[index], "amax")  # [N]
        dropped = every.target[~index]
        dependent[structure[dropped[squared[~index] <= longest[dropped]]]] = True
    edges = every.select(index)
    images = () if edges.images is None else edges.images.unbind(1)
    of_edge = structure[edges.target]  # [E]
    start = (atoms.cumsum(0) - atoms)[of_edge]  # [E]
    rows = torch.stack([edges.source - start, edges.target - start, *images]).int()  # [2 or 5, E]
    split = rows.split(torch.bincount(of_edge, minlength=len(atoms)).tolist(), dim=1)
    return [
        # copies: the samples may be moved, and a part of a tensor holds the memory of all of it
        None if depends else KeptEdges(search, tuple(tensor.clone() for tensor in geometry), part.clone())
        for geometry, part, depends in zip(geometries, split, dependent.tolist(), strict=True)
    ]


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
