"""A data set of fairchem 2 whose energies stay in float64 until the center is off, and the collater for it.

fairchem casts energies to float32 when it reads them, which rounds -1e5 eV by up to 3.9 meV, and its ``AtomicData``
accepts no energy in another precision than the positions. Here a structure carries its energy in float64 under another
name as well, and the collater puts it into the batch. From there on, fairchem's loss and metrics keep float64: they
subtract the references in float64, or add them to the prediction.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property, partial
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from fairchem.core.datasets.ase_datasets import AseDBDataset
from fairchem.core.datasets.atomic_data import AtomicData
from fairchem.core.units.mlip_unit.mlip_unit import DEFAULT_EXCLUDE_KEYS, mt_collater_adapter

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.reader import check_aselmdb
from ocp_dc.data.ase_lmdb.writer import SUFFIX
from ocp_dc.data.dataset_cache import as_dataset, read_options
from ocp_dc.data.safe_npz import load_npz
from ocp_dc.data.structure_check import check_labels

ENERGY = "energy"
EXACT = "energy_float64"
READING = "reading"


class Float64EnergyDataset(AseDBDataset):
    """fairchem's data set of ase databases for aselmdb and other files of structures, with energies in float64.

    A config takes it by ``format: ocp_dc.fairchem2.labels.dataset.Float64EnergyDataset``, with the keys of ``ase_db``.
    Files that are not aselmdb are converted once; ``reading`` says what they do not say: units and names of labels.
    The files are checked before they are opened, and a metadata.npz that could run code is refused. With
    ``keep_in_memory: true`` each structure is read once, for which fairchem's own option has no effect.

    Args:
        config: the block of the data set.

    Raises:
        UserError: ``src`` has no files of structures, or a file is damaged.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.dbs: list[Any] = []  # fairchem closes them, also after an error here
        config = _converted(config)
        _check_files(config)
        self._kept: dict[int, AtomicData] | None = {} if config.get("keep_in_memory") else None
        super().__init__({**config, "keep_in_memory": False})
        self.a2g = partial(_with_exact_energy, **(config.get("a2g_args") or {}))

    def __getitem__(self, index: Any) -> Any:
        """Return a structure, or a list of them for a slice."""
        if isinstance(index, slice) or self._kept is None:
            return super().__getitem__(index)
        if index not in self._kept:
            self._kept[index] = super().__getitem__(index)
        return self._kept[index]

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        """What metadata.npz holds; without that file the numbers of atoms, which fairchem's sampler needs."""
        found = super()._metadata
        if not found:
            logging.warning(
                f"{self.config['src']}: no metadata.npz: the atoms are counted, which reads each structure once more; "
                "np.savez('metadata.npz', natoms=...) beside the file saves that"
            )
            found = {"natoms": np.array([len(self.get_atoms(index)) for index in range(len(self))], dtype=np.int64)}
        return found

    def get_atoms(self, index: int) -> Atoms:
        """Return a structure with its labels; fairchem would leave out a label that is not finite.

        Raises:
            UserError: a label is not finite, or larger than calculations give.
        """
        atoms = super().get_atoms(index)
        labels = {**getattr(atoms.calc, "results", {}), **atoms.info}
        check_labels(labels.get(ENERGY), labels.get("forces"), f"{self.config['src']}: structure {index}")
        return atoms


class Float64Collater:
    """fairchem's collater, after which the energies of the batch are in float64.

    Args:
        tasks: the tasks of the training.
        exclude_keys: of the batch, as in fairchem's ``mt_collater_adapter``.
    """

    def __init__(self, tasks: Sequence[Any], exclude_keys: Sequence[str] = DEFAULT_EXCLUDE_KEYS) -> None:
        self._stock = mt_collater_adapter(tasks, list(exclude_keys))
        self._tasks = [task for task in tasks if not task.inference_only]

    def __call__(self, structures: list[AtomicData]) -> AtomicData:
        """Return the batch of structures of :class:`Float64EnergyDataset`."""
        for structure in structures:
            self._check_labels(structure)
        batch = self._stock(structures)
        if EXACT in batch:
            # fairchem writes inf for the tasks of other data sets
            batch[ENERGY] = batch[EXACT].where(batch[ENERGY].isfinite(), torch.inf)
        return batch

    def _check_labels(self, structure: AtomicData) -> None:
        """Check that a structure has the labels of its tasks; raises UserError."""
        name = structure.dataset_name
        for task in self._tasks:
            if any(part in name for part in task.datasets) and task.name not in structure:
                formula = Atoms(structure.atomic_numbers.numpy()).get_chemical_formula()
                raise UserError(
                    f"data set {name}: a structure of formula {formula} has no {task.name}, which a task trains on; "
                    "give each structure all labels, or remove the structure or the task"
                )


def _with_exact_energy(atoms: Atoms, **options: Any) -> AtomicData:
    data = AtomicData.from_ase(atoms, **options)
    energy = atoms.info.get(ENERGY, getattr(atoms.calc, "results", {}).get(ENERGY))
    if energy is not None:
        data[EXACT] = torch.tensor([energy], dtype=torch.float64)
    return data


def _converted(config: dict[str, Any]) -> dict[str, Any]:
    """Return the block of a data set with the aselmdb files of each source; patterns remain as they are."""
    rest = {key: value for key, value in config.items() if key != READING}
    options = read_options(config.get(READING), READING)
    sources = config["src"] if isinstance(config["src"], list) else [config["src"]]
    found = [str(as_dataset(source, "aselmdb", options)) if Path(source).exists() else source for source in sources]
    return {**rest, "src": found if isinstance(config["src"], list) else found[0]}


def _check_files(config: dict[str, Any]) -> None:
    sources = config["src"] if isinstance(config["src"], list) else [config["src"]]
    for source in sources:
        found = [source] if Path(source).exists() else sorted(glob(str(source)))  # noqa: PTH207 - as fairchem finds them
        paths = [Path(path) for path in found]
        if not paths:
            check_aselmdb(source)  # raises the error for a missing file
        for path in paths:
            check_aselmdb(path)
            metadata = (path.parent if path.is_file() else path) / "metadata.npz"
            if metadata.is_file():
                load_npz(metadata)  # fairchem would unpickle it
    if config.get("metadata_path") is not None:
        load_npz(config["metadata_path"])
    if config.get("key_mapping"):
        raise UserError(
            f"key_mapping: got {config['key_mapping']!r} in a data set of {SUFFIX} files with energies in float64, "
            "which has the keys energy, forces and stress; name the tasks so, or use format: ase_db"
        )
