"""The labels of an aselmdb data set, for the fit of a label rescaling; fairchem is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from ocp_dc.core.verbosity import bars_disabled
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.labels import Labels


def iterate_labels(path: Path | str, *, title: str = "reading labels", progress: bool = True) -> Iterator[Labels]:
    """Yield atomic numbers [N], energy (eV) and the forces on free atoms [N_free, 3] (eV/Å) of each structure.

    Args:
        path: one aselmdb file, or a folder of them.
        title: of the progress bar.
        progress: show a progress bar on a terminal.

    Raises:
        UserError: a file or a row is not valid, or a structure has no energy, no forces, or a label that is not finite.
    """
    with AseLmdbReader(path) as reader:
        for frame in tqdm(reader, total=len(reader), desc=title, disable=bars_disabled(not progress), leave=False):
            yield frame.numbers, frame.energy, frame.forces[frame.fixed == 0]
