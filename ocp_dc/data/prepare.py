"""Conversion of labeled structures to the data sets that fairchem reads."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ocp_dc import __version__
from ocp_dc.core.digests import file_digest
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.files import replacing_folder, write_json
from ocp_dc.core.units import energy_in_ev, length_in_angstrom
from ocp_dc.data.edges import check_edges
from ocp_dc.data.frames import Frame, FrameSource, check_frame
from ocp_dc.data.layouts import WRITERS, default_layout
from ocp_dc.data.output_folder import new_folder
from ocp_dc.data.plausibility import data_warnings
from ocp_dc.data.readers.named_downloads import named_download
from ocp_dc.data.splits import Size, random_split, split_sizes
from ocp_dc.data.structures import ReadOptions, open_structures, structure_files
from ocp_dc.data.summary import Summary

logger = logging.getLogger(__name__)  # prints to the error stream unless the caller configures logging

DOWNLOAD = "download:"


def prepare(
    src: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    format: str | None = None,
    units: str | None = None,
    length_units: str | None = None,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
    stress_units: str | None = None,
    train: Size = None,
    val: Size = None,
    test: Size = None,
    seed: int = 0,
    to: str | None = None,
    edges: float | None = None,
    max_neighbors: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write a folder for each of train, val and test (eV, Å; each with a metadata.npz), dataset.json and split.npz.

    The files are written to a temporary folder next to ``out``, which is renamed at the end: a failure leaves no
    ``out``.

    Args:
        src: a file of structures, a folder of them, or several of these, as
            :func:`~ocp_dc.data.structures.open_structures` takes them; or ``"download:revised ethanol"`` for a data
            set of :func:`~ocp_dc.data.readers.named_downloads.download_names`.
        out: the folder to create; it may exist if it is empty.
        format: one of ``FORMATS``; None follows from the suffix.
        units: the energy unit of the source. None is kcal/mol for downloads, the unit stated in an npz file, and eV
            otherwise; it is required for npz files that state none.
        length_units: the unit of positions and cells; forces are energies per this length. None is the unit stated in
            an npz file, else Å.
        energy_key: the name of the energies in the source, if it differs from the default of the format: an array of an
            npz file, or with ``ase`` a result of the calculator or a key of ``info``.
        forces_key: the name of the forces, likewise; with ``ase`` also a key of ``arrays``.
        stress_key: with ``ase``, the name of the stresses, likewise; None is the stress of the calculator, or a virial
            in ``info``, of structures that have one. Stresses are positive under tension.
        virial_key: with ``ase``, the name of virials, -V times the stress, in place of stresses.
        stress_units: the unit of stresses, such as ``GPa``; None is the unit of energy per cubed unit of length.
        train: number of training structures, or their share as a float; None is what validation and test leave.
        val: number or share of validation structures; 0 creates no such folder, and None is a tenth.
        test: number or share of test structures, likewise.
        seed: seed of the split.
        to: ``oc20`` for the LMDBs ``data.lmdb`` of fairchem 1, ``aselmdb`` for the ``data.aselmdb`` of fairchem 2; None
            is what the installed fairchem reads, and ``oc20`` where there is none.
        edges: cutoff in Å of the edges to store in an LMDB; None stores no edges, and models compute them
            (``otf_graph: true``).
        max_neighbors: how many of the nearest neighbors of each atom to store with ``edges``; None is 50.
        progress: show a progress bar.

    Returns:
        The content of dataset.json.

    Raises:
        UserError: an argument, the source or a structure is not valid.
    """
    out = new_folder(out)
    options = ReadOptions(format, units, length_units, energy_key, forces_key, stress_key, virial_key, stress_units)
    layout = default_layout() if to is None else to
    if layout not in WRITERS:
        raise unknown_name("layout (--to)", layout, WRITERS)
    if edges is not None:
        if layout != "oc20":
            raise UserError(
                f"edges: got {edges!r} with --to {layout}, which stores none; leave it out, or use --to oc20"
            )
        max_neighbors = 50 if max_neighbors is None else max_neighbors
        check_edges(edges, max_neighbors)
    elif max_neighbors is not None:
        raise UserError(
            f"max_neighbors: got {max_neighbors!r} without edges, which has no effect; give edges as well "
            "(--edges 6), or leave it out"
        )
    sources = [src] if isinstance(src, str | Path) else list(src)
    given = {name: value for name, value in dataclasses.asdict(options.keys).items() if value is not None}
    paths, options = _resolve([str(source) for source in sources], options)
    with closing(open_structures(paths, options)) as source, replacing_folder(out) as folder:
        files = structure_files(paths, options.format)
        sizes = split_sizes(len(source), train, val, test)
        split = random_split(len(source), *sizes, seed)
        description: dict[str, Any] = {
            "source": ", ".join(map(str, sources)),
            "file": files[0].name if len(files) == 1 else None,
            "sha256": file_digest(*files),
            **source.describe(),
            **{name if name == "stress_units" else f"{name}_key": value for name, value in given.items()},
            "source_count": len(source),
            "counts": {name: len(indices) for name, indices in split._asdict().items()},
            "seed": seed,
            **({} if layout == "oc20" else {"layout": layout}),
            **({} if edges is None else {"edges": {"cutoff": edges, "max_neighbors": max_neighbors}}),
        }
        summary = Summary()
        with tqdm(total=sum(sizes), unit=" structures", disable=not progress) as bar:
            for name, indices in split._asdict().items():
                if len(indices):
                    bar.set_description(name)
                    (folder / name).mkdir()
                    frames = _frames(source, indices, name, summary, bar)
                    WRITERS[layout](folder / name, frames, edges, max_neighbors)
        description |= {
            **summary.describe(),
            "notes": source.notes(),
            "warnings": data_warnings(summary, source.where),
            "ocp_dc_version": __version__,
        }
        np.savez(folder / "split.npz", **split._asdict())
        write_json(folder / "dataset.json", description)
    for note in description["notes"]:
        logger.warning(f"note: {note}")
    for warning in description["warnings"]:
        logger.warning(f"warning: {warning}")
    return description


def _resolve(sources: list[str], options: ReadOptions) -> tuple[list[Path], ReadOptions]:
    """Return the paths, downloading a file if necessary, and the options with which it is read."""
    if not sources[0].startswith(DOWNLOAD):
        return [Path(source) for source in sources], options
    found = named_download(sources[0].removeprefix(DOWNLOAD).strip())
    # The download is large: check first.
    same_units = energy_in_ev(options.units or found.units) == energy_in_ev(found.units)
    length = options.length_units or "Å"
    if options.format not in (None, found.format) or not same_units or length_in_angstrom(length) != 1.0:
        raise UserError(
            f"{sources[0]}: got format {options.format}, units {options.units} and length units {length}; this one "
            f"comes in --format {found.format} --units {found.units}, lengths in Å"
        )
    return [found.fetch()], dataclasses.replace(options, format=found.format, units=found.units)


def _frames(
    source: FrameSource, indices: NDArray[np.int64], name: str, summary: Summary, bar: tqdm
) -> Iterator[tuple[int, Frame]]:
    """Yield the structures of a split with their indices, checked and counted."""
    for index in indices.tolist():
        frame = source[index]
        summary.add(name, index, frame, check_frame(frame, source.where(index)))
        yield index, frame
        bar.update()
