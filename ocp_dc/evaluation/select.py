"""Select structures of a file for labeling: those of the largest uncertainty, or those that differ most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing
from ocp_dc.core.numbers import whole_number
from ocp_dc.data.readers.ase_files import is_kept
from ocp_dc.data.structure_stream import Streamed, StructureStream
from ocp_dc.data.structures import ReadOptions
from ocp_dc.evaluation.diversity import descriptors, farthest_points
from ocp_dc.evaluation.predict_file import predict_atoms
from ocp_dc.evaluation.predictor import Predictor
from ocp_dc.evaluation.xyz_output import check_output_file, xyz_bytes


class Selection(NamedTuple):
    """The chosen structures, in the order of their choice.

    Attributes:
        indices: their numbers in the file.
        scores: the uncertainty of each in eV/Å, or its distance to those before it.
    """

    indices: list[int]
    scores: list[float]


def select_uncertain(
    predictor: Predictor,
    src: str | Path,
    out: str | Path,
    count: int,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    batch_size: int = 32,
    overwrite: bool = False,
    progress: bool = True,
) -> Selection:
    """Write the structures of a file for which the members of an ensemble disagree most, the most uncertain first.

    The uncertainty of a structure is the largest ``forces_std`` of its free atoms in eV/Å, or that of all atoms where
    all are fixed. Of equal ones the first in the file is chosen.

    Args:
        predictor: an ensemble that predicts forces.
        src: a file or a folder of structures of any kind.
        out: the extended XYZ file to write. ``info`` has ``source_index``, the number of a structure in ``src``, and
            ``uncertainty``. Labels of ``src`` are kept as in :class:`ocp_dc.data.structure_stream.StructureStream`.
        count: the number of structures to choose.
        options: units and names of the labels.
        batch_size: structures per evaluation of the network.
        overwrite: replace a file ``out``.
        progress: show a progress bar.

    Raises:
        UserError: the predictor is no ensemble, ``src`` is not valid or has fewer structures, or ``out`` exists.
    """
    whole_number("n", count)
    check_output_file(Path(out), overwrite)
    with closing(StructureStream(src, options)) as stream:
        structures = _with_bar(stream, progress)
        scores = np.array([_uncertainty(atoms) for atoms in predict_atoms(predictor, structures, batch_size)])
        _check_count(count, len(scores), src)
        chosen = np.argsort(-scores, kind="stable")[:count].tolist()
        selection = Selection(chosen, scores[chosen].tolist())
        _write(stream, selection, "uncertainty", Path(out))
    return selection


def select_diverse(
    src: str | Path,
    out: str | Path,
    count: int,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> Selection:
    """Write the structures of a file that differ most: each is the farthest from those that are chosen before it.

    Distances are those of the descriptors of :func:`ocp_dc.evaluation.diversity.histograms`.

    Args:
        src: as for :func:`select_uncertain`.
        out: likewise; ``info`` has ``source_index`` and, but for the first, ``distance``.
        count: the number of structures to choose.
        options: units and names of the labels.
        seed: of the choice of the first structure.
        overwrite: replace a file ``out``.
        progress: show a progress bar.

    Raises:
        UserError: ``src`` is not valid or has fewer structures, or ``out`` exists.
    """
    whole_number("n", count)
    whole_number("seed", seed, least=0)
    check_output_file(Path(out), overwrite)
    with closing(StructureStream(src, options)) as stream:
        points = descriptors(_with_bar(stream, progress))  # [B, D]
        _check_count(count, len(points), src)
        first = int(np.random.default_rng(seed).integers(len(points)))
        selection = Selection(*farthest_points(points, count, first))
        _write(stream, selection, "distance", Path(out))
    return selection


def _uncertainty(atoms: Atoms) -> float:
    spread = atoms.arrays.get("forces_std")
    if spread is None:
        raise UserError("the uncertainty needs an ensemble that predicts forces; name two or more checkpoints")
    free = np.ones(len(atoms), dtype=bool)
    for constraint in filter(is_kept, atoms.constraints):  # as in evaluations
        free[constraint.index] = False
    return float(spread[free].max() if free.any() else spread.max())


def _with_bar(stream: StructureStream, progress: bool) -> Iterator[Atoms]:
    structures = tqdm(stream.structures(), total=stream.count, disable=None if progress else True, unit="structure")
    return (each.atoms for each in structures)


def _check_count(count: int, available: int, src: str | Path) -> None:
    if count > available:
        raise UserError(f"n: got {count}, expected at most {available}, the structures of {src}")


def _write(stream: StructureStream, selection: Selection, score: str, out: Path) -> None:
    wanted = set(selection.indices)
    found: dict[int, Streamed] = {}
    for index, each in enumerate(stream.structures()):
        if index in wanted:
            found[index] = each
        if len(found) == len(wanted):
            break
    chosen = [found[index] for index in selection.indices]
    for each, index, value in zip(chosen, *selection, strict=True):
        each.atoms.info["source_index"] = index
        if np.isfinite(value):
            each.atoms.info[score] = value
    with replacing(out) as new:
        new.write_bytes(xyz_bytes([each.atoms for each in chosen], [each.where for each in chosen]))
