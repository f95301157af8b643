"""Check one split of ``dataset``: subsets, shards, arguments of readers, and the fits of fairchem's transforms."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairchem.core.modules.normalization.element_references import fit_linear_references
from fairchem.core.modules.normalization.normalizer import fit_normalizers

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.numbers import count
from ocp_dc.core.options import check_keys
from ocp_dc.data.dataset_cache import KEYS, read_options

SUBSET = "{metadata_key: natoms, op: abs_le, rhv: 50}"
ONE_SOURCE = ("lmdb", "lmdb_in_memory")  # formats that read a single file or folder
OPERATORS = ("abs_le", "in")  # fairchem silently ignores any other
BLOCKS = ("a2g_args", "ase_read_args", "atoms_transform_args", "connect_args", "select_args", "splits")
FILES = ("metadata_path", "oc20_ref", "index_file", "lin_ref")
FITS = {"normalizer": fit_normalizers, "element_references": fit_linear_references}
FIT = "{targets: [energy], batch_size: 32}"
EXTENSIONS = (".pt", ".npz")  # of files that hold the normalizer or references of one target


def check_split(block: Mapping[str, Any], path: str, file_format: str) -> None:
    """Check which structures one split selects, and the settings of its readers and fits.

    Args:
        block: the split; ``src``, ``format``, ``key_mapping`` and numbers are checked elsewhere.
        path: its path in the config, such as ``dataset.train``.
        file_format: the format of its data, which may come from ``dataset.train``.

    Raises:
        UserError: a value is not allowed.
    """
    source = block.get("src")
    if isinstance(source, list) and len(source) > 1 and file_format in ONE_SOURCE:
        raise UserError(
            f"{path}.src: got {len(source)} paths, and format {file_format} reads one; put the files into one folder"
        )
    _check_reading(block, path, file_format)
    _check_shards(block, path)
    for key in BLOCKS:
        if block.get(key) is not None and not isinstance(block[key], Mapping):
            raise UserError(f"{path}.{key}: got {block[key]!r}, expected a block of arguments")
    for key in FILES:
        if block.get(key) not in (None, False):
            _check_file(block[key], f"{path}.{key}")
    if not isinstance(block.get("pattern", ""), str):
        raise UserError(f"{path}.pattern: got {block['pattern']!r}, expected text such as '*.traj'")
    subsets = block.get("subset_to", [])
    if not isinstance(subsets, list):
        raise UserError(f"{path}.subset_to: got {subsets!r}, expected a list of blocks such as {SUBSET}")
    for number, subset in enumerate(subsets):
        _check_subset(subset, f"{path}.subset_to.{number}")
    for name, fit in FITS.items():
        transform = (block.get("transforms") or {}).get(name) or {}
        if transform.get("file") is not None:
            _check_file(transform["file"], f"{path}.transforms.{name}.file")
        if "fit" in transform:
            _check_fit(transform["fit"], list(inspect.signature(fit).parameters), f"{path}.transforms.{name}.fit")
        for target, numbers in transform.items():
            if target not in ("fit", "file"):
                _check_numbers_file(numbers, f"{path}.transforms.{name}.{target}")


def _check_reading(block: Mapping[str, Any], path: str, file_format: str) -> None:
    given = {key: block[key] for key in KEYS if block.get(key) is not None}
    try:
        read_options(given, path)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if given and (file_format.startswith("ase") or file_format == "oc22_lmdb"):
        raise UserError(
            f"{path}.{min(given)}: read only for format lmdb and lmdb_in_memory, and format is {file_format}; remove "
            "the key, or the format: any file of structures is read without one"
        )


def _check_shards(block: Mapping[str, Any], path: str) -> None:
    count().check(block.get("total_shards"), f"{path}.total_shards")
    count(0).check(block.get("shard"), f"{path}.shard")
    shard, total = block.get("shard"), block.get("total_shards")
    if (shard is None) != (total is None):
        there, absent = ("shard", "total_shards") if total is None else ("total_shards", "shard")
        raise UserError(f"{path}.{there}: without {absent} all structures are used; give both, or leave both out")
    if shard is not None and total is not None and shard >= total:
        raise UserError(f"{path}.shard: got {shard} of {total} shards, expected from 0 to {total - 1}")


def _check_subset(subset: Any, path: str) -> None:
    if not isinstance(subset, Mapping):
        raise UserError(f"{path}: got {subset!r}, expected a block such as {SUBSET}")
    check_keys(subset, ("metadata_key", "op", "rhv"), path)
    for key in ("metadata_key", "op", "rhv"):
        if key not in subset:
            raise UserError(f"{path}.{key}: missing; expected a block such as {SUBSET}")
    if subset["op"] not in OPERATORS:
        operators = ", ".join(OPERATORS)
        raise UserError(f"{path}.op: got {subset['op']!r}, expected {operators}.{nearest(subset['op'], OPERATORS)}")
    if not isinstance(subset["metadata_key"], str):
        raise UserError(f"{path}.metadata_key: got {subset['metadata_key']!r}, expected a name such as natoms")


def _check_fit(fit: Any, arguments: list[str], path: str) -> None:
    if not isinstance(fit, Mapping) or not isinstance(fit.get("targets"), list | Mapping):
        raise UserError(f"{path}: got {fit!r}, expected a block such as {FIT}")
    known = [name for name in arguments if name not in ("dataset", "seed", "element_references")]
    check_keys(fit, [*known, "fitted"], path)  # fairchem itself sets `fitted`
    if "batch_size" not in fit:
        raise UserError(f"{path}.batch_size: missing; expected a block such as {FIT}")
    for key in ("batch_size", "num_batches"):
        count(nullable=key != "batch_size").check(fit.get(key), f"{path}.{key}") if key in fit else None


def _check_numbers_file(numbers: Any, path: str) -> None:
    file = numbers.get("file") if isinstance(numbers, Mapping) else None
    if file is not None:
        _check_file(file, f"{path}.file")
        if Path(file).suffix not in EXTENSIONS:
            raise UserError(f"{path}.file: got {file!r}, expected a file name that ends in {' or '.join(EXTENSIONS)}")


def _check_file(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise UserError(f"{path}: got {value!r}, expected the path of a file")
