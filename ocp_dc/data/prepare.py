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
from ocp_dc.data.optional_pyg import needs_pyg
from ocp_dc.data.output_folder import new_folder
from ocp_dc.data.plausibility import data_warnings
from ocp_dc.data.readers.label_keys import LabelKeys
from ocp_dc.data.readers.npz import LAYOUTS, NpzSource
from ocp_dc.data.splits import random_split
from ocp_dc.data.summary import Summary

logger = logging.getLogger(__name__)  # prints to the error stream unless the caller configures logging

FORMATS = (*LAYOUTS, "ase")
DOWNLOAD = "download:"


def prepare(
    src: Path | str | Sequence[Path | str],
    out: Path | str,
    *,
    format: str,
    units: str | None = None,
    length_units: str | None = None,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
    stress_units: str | None = None,
    train: int,
    val: int,
    test: int,
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
        src: the file of structures, or ``"download:revised ethanol"`` for a molecule of MD17 by PyG's name. With
            ``ase``, also several files, or a folder, which is searched at any depth.
        out: the folder to create; it may exist if it is empty.
        format: one of ``FORMATS``.
        units: the energy unit of the source. None is eV for ``ase``, kcal/mol for downloads, and the unit stated in an
            npz file; it is required for npz files that state none.
        length_units: the unit of positions and cells; forces are energies per this length. None is the unit stated in
            an npz file, else Å.
        energy_key: the name of the energies in the source, if it differs from the default of the format: an array of an
            npz file, or with ``ase`` a result of the calculator or a key of ``info``.
        forces_key: the name of the forces, likewise; with ``ase`` also a key of ``arrays``.
        stress_key: with ``ase``, the name of the stresses, likewise; None is the stress of the calculator, or a virial
            in ``info``, of structures that have one. Stresses are positive under tension.
        virial_key: with ``ase``, the name of virials, -V times the stress, in place of stresses.
        stress_units: the unit of stresses, such as ``GPa``; None is the unit of energy per cubed unit of length.
        train: number of training structures.
        val: number of validation structures; 0 creates no such folder.
        test: number of test structures; 0 creates no such folder.
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
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
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
    files, units = _resolve([str(source) for source in sources], format, units, length_units)
    single_file = len(files) == 1 and not Path(sources[0]).is_dir()
    keys = LabelKeys(energy_key, forces_key, stress_key, virial_key, stress_units)
    given = {name: value for name, value in dataclasses.asdict(keys).items() if value is not None}
    with (
        closing(_source(files, format, units, length_units, keys, single_file)) as source,
        replacing_folder(out) as folder,
    ):
        split = random_split(len(source), train, val, test, seed)
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
        with tqdm(total=train + val + test, unit=" structures", disable=not progress) as bar:
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


def _resolve(
    sources: list[str], format: str, units: str | None, length_units: str | None
) -> tuple[list[Path], str | None]:
    """Return the files, downloading them if necessary, and their energy unit."""
    if format != "ase" and len(sources) != 1:
        raise UserError(f"got {len(sources)} sources; --format {format} takes one file. Prepare each separately")
    if sources[0].startswith(DOWNLOAD):
        with needs_pyg("a download of MD17"):
            from ocp_dc.data.readers import md17_download
        name = sources[0].removeprefix(DOWNLOAD).strip()
        # The download is large: check first.
        expected = md17_download.layout_of(name)
        same_units = energy_in_ev(units or md17_download.UNIT) == energy_in_ev(md17_download.UNIT)
        if format != expected or not same_units or length_in_angstrom(length_units or "Å") != 1.0:
            raise UserError(
                f"{sources[0]}: got format {format}, units {units} and length units {length_units or 'Å'}; this one"
                f" comes in --format {expected} --units {md17_download.UNIT}, lengths in Å"
            )
        return [md17_download.download_md17(name)], md17_download.UNIT
    paths = [Path(source) for source in sources]
    if format != "ase":
        return paths, units
    from ocp_dc.data.readers.trajectories import structure_files  # ase's readers are slow to import

    return structure_files(paths), units


def _source(
    files: list[Path], format: str, units: str | None, length_units: str | None, keys: LabelKeys, single_file: bool
) -> FrameSource:
    if format == "ase":
        from ocp_dc.data.readers.ase_files import AseSource
        from ocp_dc.data.readers.trajectories import AseFiles

        return (
            AseSource(files[0], units, length_units, keys)
            if single_file
            else AseFiles(files, units, length_units, keys)
        )
    return NpzSource(files[0], format, units, length_units, keys)


def _frames(
    source: FrameSource, indices: NDArray[np.int64], name: str, summary: Summary, bar: tqdm
) -> Iterator[tuple[int, Frame]]:
    """Yield the structures of a split with their indices, checked and counted."""
    for index in indices.tolist():
        frame = source[index]
        summary.add(name, index, frame, check_frame(frame, source.where(index)))
        yield index, frame
        bar.update()
