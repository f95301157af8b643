"""The label rescaling of a folder of training data, fitted once in each process."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.labels import iterate_labels
from ocp_dc.data.ase_lmdb.writer import SUFFIX
from ocp_dc.data.lmdb_file import data_files
from ocp_dc.labels import LabelOptions, LabelRescaling, fit, needs_data


def fitted_labels(folder: str, center: str, scale: float | str) -> LabelRescaling:
    """Return the label rescaling that is fitted to the training data of a folder.

    Args:
        folder: an aselmdb file or a folder of them; it is not read if nothing is fitted.
        center: ``none``, ``mean`` or ``composition``.
        scale: a number in eV, text such as ``1e6 kcal/mol``, or ``forces_rms``.

    Raises:
        UserError: an argument is not valid, the folder has no valid data, or a label is not finite.
    """
    if not isinstance(folder, str):
        raise UserError(f"label_rescaling: got the folder {folder!r}, expected the path of the training data")
    options = LabelOptions.from_block({"center": center, "scale": scale})
    if not needs_data(options):
        return fit(options)
    files = data_files(folder, SUFFIX)
    return _fitted(options, folder, tuple((file.name, file.stat().st_mtime_ns) for file in files))


@functools.lru_cache(maxsize=32)
def _fitted(options: LabelOptions, folder: str, files: tuple[tuple[str, int], ...]) -> LabelRescaling:
    """Fit once for each state of the files: a config asks for the same numbers at several places."""
    rescaling = fit(options, iterate_labels(Path(folder), title="fitting label rescaling"))
    logging.info(f"{rescaling}, fitted to {folder}")
    return rescaling
