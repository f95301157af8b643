"""Pairs of atoms near each other, by the cell lists of vesin: the time grows linearly with the number of atoms.

vesin (BSD license) is the fastest of the libraries that were tried and works with any numpy: matscipy takes twice as
long and needs numpy 2, which fairchem 1.10 excludes; ase's search in Python takes 30 times as long.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Optional

import numpy as np
import torch
import vesin
from numpy.typing import NDArray
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.data.boundaries import with_vacuum

FARTHEST = 1e5  # Å; vesin crashes on coordinates of 1e30 Å, and positions in float32 are meaningless long before


def nearby_pairs(
    positions: Tensor, natoms: Tensor, cell: Tensor | None, pbc: Tensor | None, cutoff: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return all pairs of atoms of the same structure that are at most ``cutoff`` apart, in float64.

    Each pair is returned in both directions, sorted by target, then source, then image. An atom is paired with its own
    images, but not with itself. Positions need not be inside the cell. Positions that are not finite or farther than
    ``FARTHEST`` from the origin are replaced by finite ones.

    Args:
        positions: [N, 3], in Å.
        natoms: int64 [B].
        cell: [B, 3, 3], cell vectors as rows, in Å; those of directions that are not periodic are not read.
        pbc: bool [B, 3], the periodic directions; None if there are none.
        cutoff: in Å.

    Returns:
        source int64 [P], target int64 [P], and the images of the source in cell vectors, int64 [P, 3], or None without
        ``pbc``; on the device of the positions.

    Raises:
        UserError: the periodic cell vectors of a structure have no volume.
    """
    points = torch.nan_to_num(positions.detach().double()).clamp(-FARTHEST, FARTHEST).cpu().numpy()
    sizes = natoms.cpu().numpy()
    search = vesin.NeighborList(cutoff=cutoff, full_list=True, n_threads=torch.get_num_threads())
    images = None
    if pbc is None or cell is None:
        pairs = _open_pairs(search, points, sizes)
    else:
        cells, flags = cell.detach().double().cpu().numpy(), pbc.cpu().numpy()
        pairs, images = _periodic_pairs(search, points, sizes, cells, flags)
    target, source = pairs.unbind(1)
    order = edge_order(source, target, images, len(points))
    source, target = (values[order].to(positions.device) for values in (source, target))
    return source, target, None if images is None else images[order].to(positions.device)


def edge_order(source: Tensor, target: Tensor, images: Optional[Tensor], atoms: int) -> Tensor:  # noqa: UP045
    """Return the order of edges by target, then source, then image, int64 [E]; TorchScript can compile it.

    Args:
        source: int64 [E].
        target: int64 [E].
        images: int64 [E, 3]; None for one image.
        atoms: the number of atoms.
    """
    key = target * atoms + source  # [E]
    if images is not None and len(images) > 0:
        for axis in range(3):
            column = images[:, axis]
            low, high = column.min(), column.max()
            key = key * (high - low + 1) + (column - low)
    return torch.argsort(key)


def _open_pairs(search: vesin.NeighborList, points: NDArray, sizes: NDArray) -> Tensor:
    """Return pairs (target, source), int64 [P, 2], by one search for all structures, which are put beside each other.

    Args:
        search: the search.
        points: [N, 3], in Å.
        sizes: the number of atoms of each structure, [B].
    """
    starts = np.cumsum(sizes) - sizes  # [B]
    low, high = (extreme.reduceat(points, starts, axis=0) for extreme in (np.minimum, np.maximum))  # [B, 3]
    widths = (high - low)[:, 0] + 1.01 * search.cutoff  # [B]
    shifts = -low
    shifts[:, 0] += np.cumsum(widths) - widths
    (pairs,) = search.compute(points + np.repeat(shifts, sizes, axis=0), np.zeros((3, 3)), False, "P")
    return torch.from_numpy(pairs.view(np.int64))


def _periodic_pairs(
    search: vesin.NeighborList, points: NDArray, sizes: NDArray, cells: NDArray, pbc: NDArray
) -> tuple[Tensor, Tensor]:
    """Return pairs (target, source), int64 [P, 2], and the images of the sources, int64 [P, 3].

    Args:
        search: the search.
        points: [N, 3], in Å.
        sizes: the number of atoms of each structure, [B].
        cells: [B, 3, 3], in Å.
        pbc: the periodic directions, bool [B, 3].
    """
    pairs, images = [], []
    for index, (start, end) in enumerate(pairwise([0, *np.cumsum(sizes).tolist()])):
        box, periodic, here = cells[index], pbc[index], points[start:end]
        if periodic.any() and not periodic.all():
            # open directions as periodic with vacuum: vesin takes very long if atoms are far apart along them
            box, periodic = with_vacuum(box, periodic, here, 1.01 * search.cutoff), np.ones(3, dtype=bool)
        try:
            found, shifts = search.compute(here, box, periodic, "PS", copy=False)
        except RuntimeError as error:
            raise UserError(
                f"structure {index} of a batch: got the cell {cells[index].tolist()}, periodic along "
                f"{pbc[index].tolist()}, expected cell vectors with a volume; give them, or set pbc to F ({error})"
            ) from error
        pairs.append(found.view(np.int64) + start)
        images.append(shifts.astype(np.int64))
    return torch.from_numpy(np.concatenate(pairs)), torch.from_numpy(np.concatenate(images))
