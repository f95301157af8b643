"""The label rescaling of a folder of training data, fitted once in each process."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.labels import iterate_labels
from ocp_dc.data.ase_lmdb.writer import SUFFIX
from ocp_dc.data.dataset_cache import as_dataset, read_options
from ocp_dc.data.lmdb_file import data_files
from ocp_dc.labels import LabelOptions, LabelRescaling, fit, needs_data


def fitted_labels(
    folder: str, center: str, scale: float | str, reading: Mapping[str, Any] | None = None
) -> LabelRescaling:
    """Return the label rescaling that is fitted to the training data of a folder.

    Args:
        folder: a file or a folder of structures; it is not read if nothing is fitted.
        center: ``none``, ``mean`` or ``composition``.
        scale: a number in eV, text such as ``1e6 kcal/mol``, ``forces_rms``, or ``0.04 forces_rms``.
        reading: how files that are not aselmdb are read; see :class:`ocp_dc.data.structures.ReadOptions`.

    Raises:
        UserError: an argument is not valid, the folder has no valid data, or a label is not finite.
    """
    if not isinstance(folder, str):
        raise UserError(f"label_rescaling: got the folder {folder!r}, expected the path of the training data")
    options = LabelOptions.from_block({"center": center, "scale": scale})
    if not needs_data(options):
        return fit(options)
    found = as_dataset(folder, "aselmdb", read_options(reading, "reading"))
    files = data_files(found, SUFFIX)
    return _fitted(options, str(found), tuple((file.name, file.stat().st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=32)
def _fitted(options: LabelOptions, folder: str, files: tuple[tuple[str, int], ...]) -> LabelRescaling:
    """Fit once for each state of the files: a config asks for the same numbers at several places."""
    rescaling = fit(options, iterate_labels(Path(folder), title="fitting label rescaling"))
    logging.info(f"{rescaling}, fitted to {folder}")
    return rescaling
