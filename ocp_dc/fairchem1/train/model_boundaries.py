"""Adapt batches so that a model handles the periodic boundaries of their structures correctly.

The trainer ``dc`` does this before every forward pass. Batches that need no change are returned unchanged.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from ase.geometry import wrap_positions
from numpy.typing import NDArray
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.data.boundaries import SMALLEST_VOLUME, complete_cell, has_volume, make_whole, with_vacuum
from ocp_dc.data.structure_check import check_cell
from ocp_dc.fairchem1.train.collate import collate

LARGEST_WHOLE = 1500  # atoms; making such a molecule whole takes a second and 200 MB
MARGIN = 1.0  # Å of vacuum beyond the cutoff
ROUNDING = 1e-4  # fraction of a cell, for positions in single precision


def adapt_boundaries(model: Any, batch: Any) -> Any:
    """Return the batch with positions, cells and boundaries that suit ``model``; the same object if nothing changes.

    - For a model without periodic boundaries (``use_pbc: false``), a molecule in a periodic cell is made whole. It
      must be farther from its images than the cutoff, so that ignoring them changes nothing.
    - For a model with periodic boundaries, atoms that extend over more than one cell are folded into the cell, which
      fairchem's neighbor search requires. Directions that are not periodic get vacuum, so that no image is within the
      cutoff, if the structures of a batch are periodic along different directions (an error in fairchem) or if a cell
      has no volume.

    Neither changes energies or forces. A record without ``pbc`` is periodic along its cell vectors, as in fairchem for
    models with periodic boundaries; a model without them takes it unchanged, with a warning if its images would be
    near. Stored edges (``otf_graph: false``) have their own offsets, so a model with periodic boundaries takes such
    batches unchanged.

    Args:
        model: a model with ``use_pbc`` and ``cutoff``, or with a backbone that has them; others take any batch.
        batch: pos ``[N, 3]`` and cell ``[B, 3, 3]`` in Å, pbc bool ``[B, 3]``, natoms ``[B]``.

    Raises:
        UserError: a periodic direction has no cell vector, or the model has no periodic boundaries and the images of a
            structure are within its cutoff.
    """
    graph = getattr(model, "backbone", model)  # in a hydra, the backbone finds the edges
    cutoffs = [v for k, v in vars(graph).items() if k.startswith("cutoff") and isinstance(v, int | float)]
    use_pbc = getattr(graph, "use_pbc", None)
    if use_pbc is None or not cutoffs:
        return batch
    stored = not getattr(graph, "otf_graph", True) and "edge_index" in batch
    if not use_pbc:
        if "cell" in batch and "pbc" not in batch:
            _warn_of_cells(model, batch, max(cutoffs))
        if "pbc" not in batch or "cell" not in batch or not batch.pbc.any():
            return batch
        cutoff = max(cutoffs)
        if stored and "distances" in batch and len(batch.distances):
            cutoff = max(cutoff, float(batch.distances.max()))
        return _without_images(batch, batch.pbc.reshape(-1, 3), cutoff)
    if stored and "cell_offsets" in batch:
        return batch
    one_by_one = bool(getattr(graph, "use_pbc_single", False))  # the edges of each structure are found separately
    return _with_images(batch, periodic_directions(batch), max(cutoffs), one_by_one)


def has_boundaries(model: Any) -> bool:
    """Return whether a model has periodic boundaries; True if it has no ``use_pbc``."""
    return getattr(getattr(model, "backbone", model), "use_pbc", True) is not False


def check_first(model: Any, datasets: Mapping[str, Any]) -> None:
    """Check, before training, that the model can handle the boundaries of the first structure of each data set.

    Args:
        model: as for :func:`adapt_boundaries`.
        datasets: the data sets by the name of their block; None for one that is absent.

    Raises:
        UserError: the error of :func:`adapt_boundaries`, with the name of the data set.
    """
    for name, dataset in datasets.items():
        if dataset is None:
            continue
        first = collate([dataset[0]], otf_graph=True)
        try:
            adapt_boundaries(model, first)
        except UserError as error:
            raise UserError(f"dataset.{name}: {error}") from None


def periodic_directions(batch: Any) -> Tensor:
    """Return the periodic directions of each structure, bool ``[B, 3]``."""
    if "pbc" in batch:
        return batch.pbc.reshape(-1, 3)  # fairchem's conversion from ase drops a dimension
    if "cell" in batch:
        return batch.cell.any(dim=-1)
    return torch.zeros(len(batch.natoms), 3, dtype=torch.bool, device=batch.pos.device)


def _warn_of_cells(model: Any, batch: Any, cutoff: float) -> None:
    """Warn once per model about a structure with a cell, without pbc, whose images would be within the cutoff.

    fairchem's conversion from ase omits pbc by default, for molecules and crystals alike, and replaces missing cell
    vectors by vectors of 1 Å.
    """
    if getattr(model, "has_warned_of_cells", False):
        return
    pbc = batch.cell.any(dim=-1) & ~_is_one_angstrom(batch.cell.norm(dim=-1))
    near = torch.nonzero(~_are_clear(batch, pbc, cutoff)).flatten().tolist()
    if near:
        model.has_warned_of_cells = True
        logging.warning(
            f"{_structure_name(batch, near[0])}: has a cell but no pbc. The model has use_pbc: false and treats it as "
            "an isolated molecule, although in its cell images would be within the cutoff, or the molecule is torn. If "
            "the structure is periodic, interactions are missing: set use_pbc: true"
        )


def _are_clear(batch: Any, pbc: Tensor, cutoff: float) -> Tensor:
    """Return a mask of structures that are whole and farther from all images than the cutoff, bool ``[B]``."""
    periodic = batch.cell * pbc[..., None]  # [B, 3, 3]
    inverse = torch.linalg.pinv(periodic)
    gap = (1 - _cell_extents(batch, inverse)) / inverse.norm(dim=1)  # [B, 3] Å between images along each normal
    return torch.where(pbc, (gap > cutoff) & periodic.any(dim=-1), True).all(dim=1)


def _without_images(batch: Any, pbc: Tensor, cutoff: float) -> Any:
    """Make torn molecules whole, and raise UserError for structures whose images are within the cutoff."""
    clear = _are_clear(batch, pbc, cutoff)
    if clear.all():
        return batch
    shifts = np.zeros(batch.pos.shape)
    structures = _structures(batch, pbc)
    for index in torch.nonzero(~clear).flatten().tolist():
        atoms, positions, cell, flags = structures[index]
        check_cell(cell, flags, _structure_name(batch, index))
        whole = make_whole(positions, cell, flags) if len(positions) <= LARGEST_WHOLE else None
        if whole is None or whole.image_distance <= cutoff:
            distance = "too near, or it is torn" if whole is None else f"{whole.image_distance:.2f} Å away"
            raise UserError(
                f"{_structure_name(batch, index)}: periodic (pbc {' '.join('FT'[int(flag)] for flag in flags)}), but "
                f"the model has use_pbc: false and a cutoff of {cutoff:g} Å, and images of the atoms are {distance}: "
                "it would ignore them. Use a model with use_pbc: true, or, if this is a molecule, set its pbc to F F F"
            )
        shifts[atoms] = whole.positions - positions
    return _with_values(batch, pos=shifts)


def _with_images(batch: Any, pbc: Tensor, cutoff: float, one_by_one: bool) -> Any:
    """Fold atoms into their cells, and make all structures periodic along the same directions."""
    if not pbc.any() and "pbc" in batch and "cell" in batch:
        return batch
    if pbc.any() and "cell" not in batch:
        raise UserError(f"{_structure_name(batch, 0)}: periodic without a cell; give the cell, or set pbc to F F F")
    alike = one_by_one or bool((pbc == pbc[0]).all())
    if alike and pbc.any() and _fits_cells(batch, pbc):
        return batch
    cells = np.zeros((len(pbc), 3, 3))
    shifts = np.zeros(batch.pos.shape)
    wanted = pbc.any(dim=0).cpu().numpy()
    for index, (atoms, positions, cell, flags) in enumerate(_structures(batch, pbc)):
        if flags.any():
            _check_periodic(batch, index, cell, flags)
        if not alike and (wanted & ~flags).any():
            cell = with_vacuum(cell, flags, positions, cutoff + MARGIN)
        elif flags.any():
            cell = complete_cell(cell, flags, positions)
        if flags.any() and (np.ptp(positions @ np.linalg.inv(cell), axis=0)[flags] > 1 + ROUNDING).any():
            shifts[atoms] = wrap_positions(positions, cell, pbc=flags, eps=0) - positions
        cells[index] = cell
    pbc = pbc if alike else torch.from_numpy(wanted).expand(len(pbc), 3).clone()
    return _with_values(batch, pos=shifts, cell=cells, pbc=pbc)


def _fits_cells(batch: Any, pbc: Tensor) -> bool:
    """Return whether all cells have a volume, and no structure extends over more than one cell."""
    lengths = batch.cell.norm(dim=-1)  # [B, 3]
    volumes = torch.linalg.det(batch.cell)
    if not (volumes.abs() > SMALLEST_VOLUME * lengths.prod(dim=-1)).all() or (pbc & _is_one_angstrom(lengths)).any():
        return False
    extents = _cell_extents(batch, torch.linalg.inv(batch.cell))
    return bool((extents[pbc] <= 1 + ROUNDING).all())


def _cell_extents(batch: Any, inverse: Tensor) -> Tensor:
    """Return the extent of each structure along each cell vector, in cells, ``[B, 3]``."""
    structure = torch.repeat_interleave(batch.natoms)  # [N]
    fractional = torch.bmm(batch.pos.detach()[:, None], inverse[structure])[:, 0]  # [N, 3]
    index = structure[:, None].expand(-1, 3)
    low, high = (
        fractional.new_zeros(len(inverse), 3).scatter_reduce(0, index, fractional, reduce=reduce, include_self=False)
        for reduce in ("amin", "amax")
    )
    return high - low


def _check_periodic(batch: Any, index: int, cell: NDArray, pbc: NDArray) -> None:
    """Check that periodic directions have a cell vector, and not one of 1 Å.

    No crystal has such a short period; ase's ``complete`` uses these vectors in place of missing ones.
    """
    if not has_volume(cell):
        check_cell(cell, pbc, _structure_name(batch, index))
    made_up = pbc & _is_one_angstrom(np.linalg.norm(cell, axis=1))
    if made_up.any():
        raise UserError(
            f"{_structure_name(batch, index)}: periodic along cell vector {np.flatnonzero(made_up)[0] + 1} of length "
            "1 Å, the placeholder for a missing one; prepare the structure with its cell, or with pbc F along this "
            "direction"
        )


def _is_one_angstrom(lengths: Any) -> Any:
    return abs(lengths - 1) < 1e-6


def _structures(batch: Any, pbc: Tensor) -> list[tuple[slice, NDArray, NDArray, NDArray]]:
    """Return the slice of atoms, the positions, the cell and the periodic directions of each structure."""
    ends = [0, *batch.natoms.cumsum(0).tolist()]
    atoms = [slice(*pair) for pair in pairwise(ends)]
    positions = batch.pos.detach().double().cpu().numpy()
    cells = batch.cell.double().cpu().numpy() if "cell" in batch else np.zeros((len(pbc), 3, 3))
    return [(a, positions[a], cell, flags) for a, cell, flags in zip(atoms, cells, pbc.cpu().numpy(), strict=True)]


def _structure_name(batch: Any, index: int) -> str:
    names = {"sid": "sid", "fid": "fid", "id": "record"}
    known = [f"{name} {batch[key][index]}" for key, name in names.items() if key in batch]
    return f"structure {index} of a batch" + (f" ({', '.join(known)})" if known else "")


def _with_values(batch: Any, pos: NDArray, **values: Any) -> Any:
    """Return a copy of the batch with shifted positions and new values; gradients flow to the original positions."""
    new = copy.copy(batch)  # relaxations and losses continue with the original
    if pos.any():
        new.pos = batch.pos + torch.from_numpy(pos).to(batch.pos)
    for key, value in values.items():
        tensor = torch.as_tensor(value, device=batch.pos.device)
        new[key] = tensor.to(batch.pos.dtype) if tensor.is_floating_point() else tensor
    return new
