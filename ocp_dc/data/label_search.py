"""Search for the names of energies and forces in files whose labels have other names than usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocp_dc.data.readers.label_keys import LabelKeys, likely_pair, shapes
from ocp_dc.data.readers.npz import LAYOUTS
from ocp_dc.data.safe_npz import npz_shapes
from ocp_dc.data.structures import ReadOptions, structure_files, structure_format


def with_found_keys(paths: Sequence[Path], options: ReadOptions) -> tuple[ReadOptions, list[str]]:
    """Return options with the likely names of labels that are not under their usual names, and a remark on each.

    Names are judged by the first structure; where there is no likely name, the options are unchanged.

    Args:
        paths: files and folders of one kind.
        options: what the files do not say; names in them are kept.

    Raises:
        UserError: a path is missing, or the first file is not valid.
    """
    options = replace(options, format=options.format or structure_format(paths))
    first = structure_files(paths, options.format)[0]
    if options.format == "lmdb":
        return options, []
    if options.format == "ase":
        missing, likely = _of_ase(first)
    else:
        assert options.format is not None
        missing, likely = _of_npz(first, options.format)
    found = {
        f"{name}_key": key
        for name in missing
        if getattr(options, f"{name}_key") is None and (key := getattr(likely, name)) is not None
    }
    notes = [
        f"{key} is read as the {name.removesuffix('_key')}, by its name and shape; --{name.replace('_', '-')} selects "
        "another"
        for name, key in found.items()
    ]
    return replace(options, **found), notes


def _of_ase(file: Path) -> tuple[list[str], LabelKeys]:
    from ocp_dc.data.readers.ase_readers import first_structure  # ase's readers are slow to import

    atoms = first_structure(file)
    results: dict[str, Any] = getattr(atoms.calc, "results", {})
    missing = [name for name in ("energy", "forces") if results.get(name) is None]
    return missing, likely_pair(shapes({**atoms.arrays, **atoms.info, **results}), (), (len(atoms), 3))


def _of_npz(file: Path, format: str) -> tuple[list[str], LabelKeys]:
    held, layout = npz_shapes(file), LAYOUTS[format]
    names = {"energy": layout.energies, "forces": layout.forces}
    frames, *rest = held.get(layout.positions) or (0,)
    return [name for name, key in names.items() if key not in held], likely_pair(held, (frames,), (frames, *rest))
