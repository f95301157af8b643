"""What a batch must be for its model to see the boundaries that its structures have.

Every forward pass of the trainer ``dc`` asks here. Batches that need nothing go through untouched, bit for bit.
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
from ocp_dc.data.boundaries import FLAT, complete_cell, has_volume, make_whole, with_vacuum
from ocp_dc.data.structure_check import check_cell
from ocp_dc.fairchem1.train.collate import collate

LARGEST_WHOLE = 1500  # atoms; a second and 200 MB to put together
MARGIN = 1.0  # Å of vacuum beyond the cutoff
ROUNDING = 1e-4  # of a cell; of positions in single precision


def bounded(model: Any, batch: Any) -> Any:
    """Return the batch as ``model`` must see it; the same object where nothing is to be done.

    - A model without periodic boundaries (``use_pbc: false``): a molecule in a periodic cell is put together, and must
      be farther from its images than the cutoff, so that leaving them out changes nothing.
    - A model with them: atoms are folded into the cell where they extend over more than one, as fairchem's neighbor
      search counts on that. In a batch of structures that are periodic along different directions, which fairchem
      refuses, and for a cell without volume, directions that are not periodic get vacuum: no image comes within the
      cutoff.

    Neither changes energies or forces. Without ``pbc`` a record is periodic along its cell vectors, as fairchem has it
    for models with boundaries; a model without takes it as it is, with a warning where its images would be near.
    Stored edges (``otf_graph: false``) hold offsets of their own, so that a model with boundaries takes those batches
    as they are.

    Args:
        model: with ``use_pbc`` and ``cutoff``, or with a backbone that has them; another one takes any batch.
        batch: pos (atoms, 3) and cell (structures, 3, 3) in Å, pbc (structures, 3) bool, natoms (structures,).

    Raises:
        UserError: a periodic direction without a cell vector, or a model without periodic boundaries and a structure
            whose images are within its cutoff.
    """
    graph = getattr(model, "backbone", model)  # of a hydra the backbone finds the edges
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
    one_by_one = bool(getattr(graph, "use_pbc_single", False))  # the edges of each structure are found by themselves
    return _with_images(batch, _periodic(batch), max(cutoffs), one_by_one)


def has_boundaries(model: Any) -> bool:
    """Return whether a model has periodic boundaries, so far as it says so."""
    return getattr(getattr(model, "backbone", model), "use_pbc", True) is not False


def check_first(model: Any, datasets: Mapping[str, Any]) -> None:
    """Refuse data sets whose first structure has boundaries that the model cannot see, before anything trains.

    Args:
        model: as for :func:`bounded`.
        datasets: by the name of their block; None where there is none.

    Raises:
        UserError: what :func:`bounded` raises, with the name of the data set.
    """
    for name, dataset in datasets.items():
        if dataset is None:
            continue
        first = collate([dataset[0]], otf_graph=True)
        try:
            bounded(model, first)
        except UserError as error:
            raise UserError(f"dataset.{name}: {error}") from None


def _periodic(batch: Any) -> Tensor:
    """Return along which cell vectors structures are periodic (structures, 3)."""
    if "pbc" in batch:
        return batch.pbc.reshape(-1, 3)  # fairchem's own conversion from ase leaves out one dimension
    if "cell" in batch:
        return batch.cell.any(dim=-1)
    return torch.zeros(len(batch.natoms), 3, dtype=torch.bool, device=batch.pos.device)


def _warn_of_cells(model: Any, batch: Any, cutoff: float) -> None:
    """Warn, once a model, of a cell in which images are within the cutoff, where nothing says what is periodic.

    fairchem's conversion from ase leaves pbc out unless asked, of molecules and crystals alike, and makes up cell
    vectors of 1 Å where there are none.
    """
    if getattr(model, "has_warned_of_cells", False):
        return
    pbc = batch.cell.any(dim=-1) & ~_is_one(batch.cell.norm(dim=-1))
    near = torch.nonzero(~_is_clear(batch, pbc, cutoff)).flatten().tolist()
    if near:
        model.has_warned_of_cells = True
        logging.warning(
            f"{_name(batch, near[0])}: has a cell and no pbc. The model has use_pbc: false and takes it for a free "
            "molecule; in its cell, images would be within the cutoff, or it is torn. Of a periodic structure this "
            "leaves interactions out: take use_pbc: true there"
        )


def _is_clear(batch: Any, pbc: Tensor, cutoff: float) -> Tensor:
    """Return which structures (structures,) are whole and farther from all images than the cutoff, bool."""
    periodic = batch.cell * pbc[..., None]  # (structures, 3, 3)
    inverse = torch.linalg.pinv(periodic)
    gap = (1 - _extents(batch, inverse)) / inverse.norm(dim=1)  # (structures, 3) Å between images along each normal
    return torch.where(pbc, (gap > cutoff) & periodic.any(dim=-1), True).all(dim=1)


def _without_images(batch: Any, pbc: Tensor, cutoff: float) -> Any:
    """Put torn molecules together, and refuse structures whose images are within the cutoff."""
    clear = _is_clear(batch, pbc, cutoff)
    if clear.all():
        return batch
    shifts = np.zeros(batch.pos.shape)
    structures = _structures(batch, pbc)
    for index in torch.nonzero(~clear).flatten().tolist():
        atoms, positions, cell, flags = structures[index]
        check_cell(cell, flags, _name(batch, index))
        whole = make_whole(positions, cell, flags) if len(positions) <= LARGEST_WHOLE else None
        if whole is None or whole.image_distance <= cutoff:
            distance = "too near, or it is torn" if whole is None else f"{whole.image_distance:.2f} Å away"
            raise UserError(
                f"{_name(batch, index)}: periodic (pbc {' '.join('FT'[int(flag)] for flag in flags)}), but the model "
                f"has use_pbc: false and a cutoff of {cutoff:g} Å, and images of the atoms are {distance}: it would "
                "leave them out. Take a model with use_pbc: true, or, if this is a molecule, set its pbc to F F F"
            )
        shifts[atoms] = whole.positions - positions
    return _changed(batch, pos=shifts)


def _with_images(batch: Any, pbc: Tensor, cutoff: float, one_by_one: bool) -> Any:
    """Fold atoms into their cells, and give all structures the same periodic directions."""
    if not pbc.any() and "pbc" in batch and "cell" in batch:
        return batch
    if pbc.any() and "cell" not in batch:
        raise UserError(f"{_name(batch, 0)}: periodic without a cell; give the cell, or set pbc to F F F")
    alike = one_by_one or bool((pbc == pbc[0]).all())
    if alike and pbc.any() and _fits(batch, pbc):
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
    return _changed(batch, pos=shifts, cell=cells, pbc=pbc)


def _fits(batch: Any, pbc: Tensor) -> bool:
    """Whether all cells have a volume, and no structure extends over more than one."""
    lengths = batch.cell.norm(dim=-1)  # (structures, 3)
    volumes = torch.linalg.det(batch.cell)
    if not (volumes.abs() > FLAT * lengths.prod(dim=-1)).all() or (pbc & _is_one(lengths)).any():
        return False
    extents = _extents(batch, torch.linalg.inv(batch.cell))
    return bool((extents[pbc] <= 1 + ROUNDING).all())


def _extents(batch: Any, inverse: Tensor) -> Tensor:
    """Return over how many cells structures extend along each vector (structures, 3)."""
    structure = torch.repeat_interleave(batch.natoms)  # (atoms,)
    fractional = torch.bmm(batch.pos.detach()[:, None], inverse[structure])[:, 0]  # (atoms, 3)
    index = structure[:, None].expand(-1, 3)
    low, high = (
        fractional.new_zeros(len(inverse), 3).scatter_reduce(0, index, fractional, reduce=reduce, include_self=False)
        for reduce in ("amin", "amax")
    )
    return high - low


def _check_periodic(batch: Any, index: int, cell: NDArray, pbc: NDArray) -> None:
    """Refuse periodic directions without a vector, or with one of 1 Å.

    These are ase's where there are none (``complete``), and no crystal has a period so short.
    """
    if not has_volume(cell):
        check_cell(cell, pbc, _name(batch, index))
    made_up = pbc & _is_one(np.linalg.norm(cell, axis=1))
    if made_up.any():
        raise UserError(
            f"{_name(batch, index)}: periodic along cell vector {np.flatnonzero(made_up)[0] + 1} of length 1 Å, which "
            "stands for a missing one; prepare the structure with its cell, or with pbc F along this direction"
        )


def _is_one(lengths: Any) -> Any:
    return abs(lengths - 1) < 1e-6


def _structures(batch: Any, pbc: Tensor) -> list[tuple[slice, NDArray, NDArray, NDArray]]:
    """Return of each structure which atoms it has, their positions, its cell and its periodic directions."""
    ends = [0, *batch.natoms.cumsum(0).tolist()]
    atoms = [slice(*pair) for pair in pairwise(ends)]
    positions = batch.pos.detach().double().cpu().numpy()
    cells = batch.cell.double().cpu().numpy() if "cell" in batch else np.zeros((len(pbc), 3, 3))
    return [(a, positions[a], cell, flags) for a, cell, flags in zip(atoms, cells, pbc.cpu().numpy(), strict=True)]


def _name(batch: Any, index: int) -> str:
    names = {"sid": "sid", "fid": "fid", "id": "record"}
    known = [f"{name} {batch[key][index]}" for key, name in names.items() if key in batch]
    return f"structure {index} of a batch" + (f" ({', '.join(known)})" if known else "")


def _changed(batch: Any, pos: NDArray, **values: Any) -> Any:
    """Return a copy of the batch with positions moved and other values replaced; the gradient is that of the batch."""
    new = copy.copy(batch)  # relaxations and losses go on with their own
    if pos.any():
        new.pos = batch.pos + torch.from_numpy(pos).to(batch.pos)
    for key, value in values.items():
        tensor = torch.as_tensor(value, device=batch.pos.device)
        new[key] = tensor.to(batch.pos.dtype) if tensor.is_floating_point() else tensor
    return new
