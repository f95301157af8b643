"""Data sets for studies of interatomic potentials: bundled samples, folders, or those named in the base config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import content_digest, file_digest
from ocp_dc.core.errors import UserError
from ocp_dc.data.dataset_cache import KEYS
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.data.structures import ReadOptions, structure_files
from ocp_dc.hosts import Host
from ocp_dc.study.options import BudgetOptions, DataOptions
from ocp_dc.training.study_runs import DataSource

SAMPLE_SIZES = {"ethanol": (600, 100, 300), "slabs": (200, 50, 50)}
NAMES = {"train": "training", "val": "validation", "test": "test"}  # in messages
SPLITS = tuple(NAMES)
SCALES = "scale_file"  # the key of both hosts
SAMPLE_FILES = {"ethanol": (sample_path, "rmd17"), "slabs": (slab_sample_path, "ase")}


def place_data(
    host: Host,
    config: dict[str, Any],
    name: str,
    options: DataOptions,
    limit: BudgetOptions,
    out: Path,
    *,
    test: bool = True,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a config with its data sets filled in, and the test set, on which the worker tests once.

    Args:
        host: the host of the config.
        config: the config; ``first_n`` of a set may be a share such as ``25 %``.
        name: the name of the data set.
        options: the source of the data, and the numbers of structures to use.
        limit: the budget, whose limits apply in addition to those of the data set.
        out: the study's folder, in which a bundled sample is prepared.
        test: whether the run is tested; if not, the test set is not opened.

    Returns:
        The config without a test set, and the test set: ``src`` and ``first_n``; None if the run is not tested.

    Raises:
        UserError: the data are missing.
    """
    limits = {split: _smaller(getattr(options, split), getattr(limit, split)) for split in SPLITS}
    used = SPLITS if test else SPLITS[:2]
    folder = _folder(host, name, options, limits, out, used)
    sources: dict[str, DataSource] = {}
    for split in used:
        src, first_n = host.studies.data_source(config, split)
        if folder is not None:
            src = str(folder / split)
        if not isinstance(src, str):
            raise UserError(f"data.{name}: the base config names no {split} set; give data.{name}.path")
        count = host.studies.count_structures(Path(src))
        first = _smaller(count, limits[split])
        if first_n is not None:
            first = _smaller(first, _parse_first_n(first_n, first or count, split))
        sources[split] = DataSource(str(Path(src).absolute()), first)
    tested = sources.pop("test")._asdict() if test else None
    return host.studies.with_data(config, sources), tested


def data_identity(src: str) -> str:
    """Return an identity that does not depend on the folder: the split and the digest of ``dataset.json``, if any.

    Without a ``dataset.json`` the identity is the path.
    """
    path = Path(src)
    description = path.parent / "dataset.json"
    if not description.is_file():
        return src
    return f"{path.name} {file_digest(description)}"


def with_digests(config: Any) -> Any:
    """Return a config with the digest of each file of scale factors in place of its path."""
    if isinstance(config, Mapping):
        return {
            key: file_digest(Path(value)) if key == SCALES and _is_file(value) else with_digests(value)
            for key, value in config.items()
        }
    return [with_digests(value) for value in config] if isinstance(config, list) else config


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_file()


def _folder(
    host: Host, name: str, options: DataOptions, limits: Mapping[str, int | None], out: Path, used: Sequence[str]
) -> Path | None:
    if options.path is not None:
        path = Path(options.path)
        reading = ReadOptions(**{key: getattr(options, key) for key in KEYS})
        if path.is_file() or (path.is_dir() and not any((path / split).exists() for split in limits)):
            return _prepared(host, name, path, reading, options, out)
        if reading != ReadOptions():
            raise UserError(f"data.{name}: units and names of labels are for files of structures; {path} is prepared")
        if missing := [split for split in used if not (path / split).exists()]:
            raise UserError(
                f"data.{name}.path {path}: has no {' and no '.join(missing)}; expected a folder made by "
                f"`ocp-dc prepare SRC {path} ...`"
            )
        return path
    if options.sample is None:
        return None
    counts = {s: limits[s] or n for s, n in zip(limits, SAMPLE_SIZES[options.sample], strict=True)}
    layout = [] if host.data_format == "oc20" else [host.data_format]
    folder = out / "data" / "-".join([options.sample, *map(str, counts.values()), *layout])
    if not folder.exists():
        source, source_format = SAMPLE_FILES[options.sample]
        train, val, test = (counts[split] for split in ("train", "val", "test"))
        prepare(
            source(),
            folder,
            format=source_format,
            units="eV",
            train=train,
            val=val,
            test=test,
            to=host.data_format,
        )
    return folder


def _prepared(host: Host, name: str, path: Path, reading: ReadOptions, options: DataOptions, out: Path) -> Path:
    """Return a folder with the splits of a file or a folder of structures, prepared in the study's folder."""
    sizes = {split: getattr(options, split) for split in ("train", "val", "test")}
    files = structure_files([path], reading.format)
    identity = {**asdict(reading), **sizes, "files": file_digest(*files), "layout": host.data_format}
    folder = out / "data" / f"{name}-{content_digest(identity)[:12]}"
    if not folder.exists():
        prepare(path, folder, **asdict(reading), **sizes, to=host.data_format)
    return folder


def _smaller(a: int | None, b: int | None) -> int | None:
    return min((n for n in (a, b) if n is not None), default=None)


def _parse_first_n(first_n: Any, count: int, split: str) -> int:
    """Return a number of structures, given as a number or as a share of ``count``."""
    if isinstance(first_n, str) and first_n.replace(" ", "").endswith("%"):
        try:
            return max(1, round(float(first_n.rstrip(" %")) / 100 * count))
        except ValueError:
            pass
    if not isinstance(first_n, int) or isinstance(first_n, bool) or first_n < 1:
        raise UserError(
            f"first_n of the {NAMES[split]} set: got {first_n!r}, expected a number of structures or a share: '25 %'"
        )
    return first_n
