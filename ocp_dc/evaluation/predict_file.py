"""Predict the structures of a file of any size, and write them as extended XYZ with the predictions as results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from tqdm import tqdm

from ocp_dc import __version__
from ocp_dc.core.digests import content_digest, file_digest
from ocp_dc.core.errors import UserError
from ocp_dc.data.structure_stream import Streamed, StructureStream
from ocp_dc.data.structures import ReadOptions, structure_files
from ocp_dc.evaluation.batches import batches
from ocp_dc.evaluation.calculator import results_of
from ocp_dc.evaluation.ensemble import EnsemblePredictor
from ocp_dc.evaluation.predictor import Predictor, check_energies
from ocp_dc.evaluation.xyz_output import GrowingFile, check_output_file, xyz_bytes


class Written(NamedTuple):
    """The result of a prediction of a file.

    Attributes:
        structures: the number of structures in the output.
        continued: how many of them an interrupted process had written.
        properties: what is predicted, with the spreads of an ensemble.
        notes: remarks on the file.
    """

    structures: int
    continued: int
    properties: tuple[str, ...]
    notes: list[str]


def predict_file(
    predictor: Predictor,
    checkpoints: Sequence[Path],
    src: str | Path,
    out: str | Path,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
    batch_size: int = 32,
    overwrite: bool = False,
    progress: bool = True,
    energies: bool = False,
) -> Written:
    """Write the structures of a file with predictions as extended XYZ, in the order of the file.

    Only a batch is in memory. An interrupted prediction leaves a file ``OUT.DIGEST.partial``, with which the same call
    continues; the result is, byte for byte, that of an uninterrupted one.

    Args:
        predictor: the checkpoint, or an ensemble of them.
        checkpoints: their files, by whose content an unfinished output is recognized.
        src: a file or a folder of structures of any kind. What it says of them is kept, see
            :class:`ocp_dc.data.structure_stream.StructureStream`.
        out: the file to write.
        options: units and names of the labels.
        batch_size: structures per evaluation of the network.
        overwrite: replace a file ``out``.
        progress: show a progress bar.
        energies: predict the energies of the atoms, too.

    Raises:
        UserError: ``src`` is not valid, a structure is not plausible, the checkpoint cannot predict it, or ``out``
            exists.
    """
    check_output_file(Path(out), overwrite)
    if energies:
        check_energies(predictor.properties)
    with closing(StructureStream(src, options)) as stream:
        job = _job(checkpoints, Path(src), options, batch_size, energies)
        growing = GrowingFile(Path(out), job, batch_size, overwrite)
        with growing.open() as (file, done):
            count = done
            hidden = None if progress else True
            with tqdm(total=stream.count, initial=done, disable=hidden, unit="structure") as bar:
                for chunk in batches(stream.structures(done), lambda each: len(each.atoms), batch_size):
                    file.write(_predicted_text(predictor, chunk, energies))
                    file.flush()  # so that a kill costs one batch
                    count += len(chunk)
                    bar.update(len(chunk))
        spreads = predictor.spreads if isinstance(predictor, EnsemblePredictor) else ()
        properties = [name for name in predictor.properties if energies or name != "energies"]
        return Written(count, done, (*properties, *spreads), stream.notes())


def predict_atoms(
    predictor: Predictor, structures: Iterable[Atoms], batch_size: int = 32, energies: bool = False
) -> Iterator[Atoms]:
    """Yield copies of structures with the predictions as results of their calculator, in their order.

    Args:
        predictor: the checkpoint, or an ensemble of them. The spread of an ensemble is in ``info["energy_std"]`` and
            ``arrays["forces_std"]``.
        structures: ase's atoms; a calculator of theirs is not used and not copied.
        batch_size: structures per evaluation of the network.
        energies: predict the energies of the atoms, too.

    Raises:
        UserError: the checkpoint cannot predict a structure.
    """
    for chunk in batches(structures, len, batch_size):
        yield from _predict_batch(predictor, [atoms.copy() for atoms in chunk], energies)


def _predicted_text(predictor: Predictor, chunk: Sequence[Streamed], energies: bool) -> bytes:
    try:
        found = _predict_batch(predictor, [each.atoms for each in chunk], energies)
    except UserError as error:
        after = f" and the {len(chunk) - 1} after it" if len(chunk) > 1 else ""
        raise UserError(f"{chunk[0].where}{after}: {error}") from error
    return xyz_bytes(found, [each.where for each in chunk])


def _predict_batch(predictor: Predictor, structures: list[Atoms], energies: bool) -> list[Atoms]:
    """Attach the predictions to structures, in place, and return them."""
    found = predictor.predict(structures, energies)
    ends = np.cumsum([0, *map(len, structures)])
    for index, (atoms, (start, end)) in enumerate(zip(structures, pairwise(ends.tolist()), strict=True)):
        results = results_of(found, index, slice(start, end), bool(atoms.pbc.all()))
        if "energy_std" in results:
            atoms.info["energy_std"] = results.pop("energy_std")
        if "forces_std" in results:
            atoms.arrays["forces_std"] = results.pop("forces_std")
        del results["free_energy"]  # the same as the energy
        atoms.calc = SinglePointCalculator(atoms, **results)
    return structures


def _job(checkpoints: Sequence[Path], src: Path, options: ReadOptions, batch_size: int, energies: bool) -> str:
    """Return a digest of what the output depends on; a source counts by its name, its size and its time."""
    files = [src] if src.is_file() else structure_files([src], options.format)
    states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    parts = [str(options), batch_size, energies, __version__, states, [file_digest(path) for path in checkpoints]]
    return content_digest({"job": parts})
