"""Readers for fairchem's data sets that survive a fork and check each sample."""

from __future__ import annotations

import bisect
import functools
import importlib
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import ase
import numpy as np

from ocp_dc.core.errors import UserError
from ocp_dc.data.archive_bounds import LARGEST_RATIO
from ocp_dc.data.oc20_lmdb.lmdb_reader import LmdbReader, Record, keep_inherited
from ocp_dc.data.oc20_lmdb.safe_pickle import loads
from ocp_dc.data.oc20_lmdb.sample_check import check_sample
from ocp_dc.data.structure_check import check_labels, check_structure

LARGEST_ROW = 16 * 2**20  # bytes to which any row of a database may unpack, whatever its compression ratio
ASE_DATASETS = ("AseReadDataset", "AseReadMultiStructureDataset", "AseDBDataset")


def read_record(data: bytes) -> object:
    """Unpickle bytes as data; check a record of an LMDB, and give it its number as ``sid`` if it has none.

    Raises:
        UserError: the bytes are damaged or hostile, or the record is not plausible; the message names file and record.
    """
    if not isinstance(data, Record):
        return loads(data)
    sample = check_sample(loads(data, data.where), data.where)
    if "sid" not in sample:
        sample.sid = data.number
    if "id" not in sample:
        sample.id = str(data.number)  # distinguishes records with the same sid; fairchem sets it for a folder
    return sample


def connect(dataset: Any, path: Any = None) -> LmdbReader:
    """Return a reader instead of an LMDB environment: replaces ``connect_db``, which is called per file, in order."""
    keys = getattr(dataset, "_keys", [])  # of the files already opened
    return LmdbReader(path, first=sum(len(of_file) for of_file in keys))


def install_lmdb_readers() -> None:
    """Put :func:`connect` into fairchem's two LMDB data sets."""
    for name, dataset in (("lmdb_dataset", "LmdbDataset"), ("oc22_lmdb_dataset", "OC22LmdbDataset")):
        module: Any = importlib.import_module(f"fairchem.core.datasets.{name}")
        getattr(module, dataset).connect_db = connect
    oc22 = importlib.import_module("fairchem.core.datasets.oc22_lmdb_dataset").OC22LmdbDataset
    if not hasattr(oc22.__getitem__, "__wrapped__"):
        oc22.__getitem__ = _with_reference_error(oc22.__getitem__)


def install_dataset_pickling() -> None:
    """Make pickled data sets load in a process that has not imported the plugin, such as a spawned loader worker."""
    module: Any = importlib.import_module("fairchem.core.datasets.base_dataset")
    module.BaseDataset.__reduce__ = _reduce


def restore(module: str, name: str, state: dict[str, Any]) -> Any:
    """Return a data set from its pickle, which names this function so that unpickling imports the hooks first."""
    dataset_class = getattr(importlib.import_module(module), name)
    dataset = dataset_class.__new__(dataset_class)
    dataset.__dict__.update(state)
    return dataset


def _reduce(dataset: Any) -> tuple[Any, ...]:
    get_state = getattr(dataset, "__getstate__", None)  # every object has one from Python 3.11 on
    state = dataset.__dict__ if get_state is None else get_state()
    # keep_in_memory sets a cache here that cannot be pickled and is not used: Python finds __getitem__ in the class
    state = {key: value for key, value in state.items() if key != "__getitem__"}
    return restore, (type(dataset).__module__, type(dataset).__qualname__, state)


def install_ase_checks() -> None:
    """Check the structures of fairchem's ase data sets, and open their databases in each process separately."""
    module: Any = importlib.import_module("fairchem.core.datasets.ase_datasets")
    for name in ASE_DATASETS:
        dataset = getattr(module, name)
        if not hasattr(dataset.get_atoms, "__wrapped__"):
            dataset.get_atoms = _with_structure_check(dataset.get_atoms)
    aselmdb: Any = importlib.import_module("ase_db_backends.aselmdb")
    database = aselmdb.LMDBDatabase
    if aselmdb.zlib is zlib:
        aselmdb.zlib = _BoundedZlib
        database.__getstate__ = lambda self: {**self.__dict__, "_env": None}
        database._open_lmdb_env = _with_inherited_kept(database._open_lmdb_env)


def _with_reference_error(stock: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return ``__getitem__`` with an error that names the structure for which ``oc20_ref`` has no energy."""

    @functools.wraps(stock)
    def getitem(self: Any, idx: Any) -> Any:
        try:
            return stock(self, idx)
        except KeyError as error:
            if not isinstance(self.oc20_ref, Mapping) or error.args[0] in self.oc20_ref:
                raise
            raise UserError(
                f"dataset oc20_ref {self.config['oc20_ref']}: no energy for {error.args[0]!r}, the system of structure "
                f"{idx} of {self.config['src']}; its names look like {min(self.oc20_ref, default='')!r}"
            ) from error

    return getitem


def _with_structure_check(stock: Callable[[Any, Any], ase.Atoms]) -> Callable[[Any, Any], ase.Atoms]:
    @functools.wraps(stock)
    def get_atoms(self: Any, idx: Any) -> ase.Atoms:
        where = _where(self, idx)
        try:
            atoms = stock(self, idx)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        except Exception as error:  # the errors of ase's formats differ
            raise UserError(f"{where}: ase cannot read it ({type(error).__name__}: {error})") from error
        check_structure(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, where)
        _check_requested_labels(atoms, {"energy": self.a2g.r_energy, "forces": self.a2g.r_forces}, where)
        return atoms

    return get_atoms


def _check_requested_labels(atoms: ase.Atoms, asked: Mapping[str, bool], where: str) -> None:
    """Check that a structure has the labels that ``a2g_args`` ask for, and that they are plausible."""
    results = {} if atoms.calc is None else {k: v for k, v in atoms.calc.results.items() if v is not None}
    labels = {name: results[name] for name, is_asked in asked.items() if is_asked and name in results}
    for name, shape in (("energy", ()), ("forces", (len(atoms), 3))):
        if asked[name] and name not in labels:
            held = f"its results are {', '.join(sorted(results))}" if results else "it has no results"
            raise UserError(
                f"{where}: no {name}, which a2g_args.r_{name} asks for; {held}. Remove the structure, or add them"
            )
        if name in labels and np.shape(labels[name]) not in (shape, shape or (1,)):
            raise UserError(f"{where}: {name} of shape {np.shape(labels[name])}, expected {shape}")
    check_labels(labels.get("energy"), labels.get("forces"), where)


def _where(dataset: Any, idx: Any) -> str:
    """Return the name of a structure for messages: its file, and its row or number in the file if there is one."""
    if hasattr(dataset, "dbs"):
        database = bisect.bisect(dataset._idlen_cumulative, idx)
        row = dataset.db_ids[database][idx - ([0, *dataset._idlen_cumulative][database])]
        return f"{getattr(dataset.dbs[database], 'filename', dataset.config['src'])}: row {row}"
    file, _, number = str(idx).rpartition(" ")
    return f"{file}: structure {number}" if file and number.isdigit() else str(idx)


def _with_inherited_kept(stock: Callable[[Any], None]) -> Callable[[Any], None]:
    def open_lmdb_env(self: Any) -> None:
        keep_inherited(self._env)
        stock(self)

    return open_lmdb_env


class _BoundedZlib:
    """Replacement for zlib in the reader of ``.aselmdb`` that limits the size to which a row unpacks."""

    compress = staticmethod(zlib.compress)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        limit = max(LARGEST_ROW, LARGEST_RATIO * len(data))
        stream = zlib.decompressobj()
        content = stream.decompress(data, limit)
        if not stream.eof:
            raise UserError(f"unpacks to more than {limit:,} bytes from {len(data):,}, or is truncated")
        return content
