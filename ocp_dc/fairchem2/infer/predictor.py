"""Predictions of a checkpoint for ASE's structures, in physical units."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from fairchem.core.datasets.ase_datasets import apply_one_tags
from fairchem.core.datasets.atomic_data import AtomicData, atomicdata_list_to_batch
from fairchem.core.units.mlip_unit.api.inference import InferenceSettings
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.evaluation.predictor import UNITS, Arrays, add_up, check_energies
from ocp_dc.fairchem2.backbones.native import native_backbone
from ocp_dc.fairchem2.infer.predict_unit import trusted_predict_unit

SETTINGS = InferenceSettings(activation_checkpointing=False, merge_mole=False, compile=False)


class Predictor:
    """A checkpoint that predicts batches of structures of any composition.

    Args:
        checkpoint: an inference checkpoint; it is read as data.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Attributes:
        properties: the properties that the checkpoint predicts.

    Raises:
        UserError: the file is missing, damaged or hostile, or predicts for several data sets.
    """

    def __init__(self, checkpoint: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> None:
        if not isinstance(cpu, bool):
            raise UserError(f"cpu: got {cpu!r}, expected True or False")
        device = "cuda" if torch.cuda.is_available() and not cpu else "cpu"
        self.unit = trusted_predict_unit(checkpoint, device, SETTINGS, trust_modules)
        tasks = self.unit.dataset_to_tasks
        if len(tasks) != 1:
            raise UserError(
                f"checkpoint {checkpoint}: predicts for the data sets {', '.join(tasks)}, expected one; use fairchem's "
                "FAIRChemCalculator with its task_name"
            )
        self._dataset = next(iter(tasks))
        properties = [task.property for task in tasks[self._dataset]]
        if "energy" not in properties:
            raise UserError(f"checkpoint {checkpoint}: predicts {', '.join(properties)}, but no energy")
        self._energy_task = tasks[self._dataset][properties.index("energy")]
        native = native_backbone(self.unit.model.module)
        if native is not None and native.potential.has_atomic_energies:
            properties.append("energies")
        self.properties: tuple[str, ...] = tuple(name for name in UNITS if name in properties)

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the predictions; see :class:`ocp_dc.evaluation.predictor.Predictor`."""
        if energies:
            check_energies(self.properties)
        batch = atomicdata_list_to_batch([self._data(atoms) for atoms in structures])
        with raised_log_level(logging.ERROR):  # fairchem warns of its settings, which are ours
            predicted = self.unit.predict(batch)
        shapes = {"energy": (len(structures),), "forces": (-1, 3), "stress": (len(structures), 3, 3)}
        found = {
            name: predicted[name].detach().double().cpu().reshape(shape)
            for name, shape in shapes.items()
            if name in self.properties
        }
        for name in ("energy", "forces"):
            if name in found and not found[name].isfinite().all():
                raise UserError(
                    f"the predicted {name} is not finite for {', '.join(str(each.symbols) for each in structures[:3])}"
                    f"{' and others' if len(structures) > 3 else ''}. An element may be missing in the training data, "
                    "atoms may be too close, or the weights are from a training run that diverged"
                )
        arrays = {name: values.numpy() for name, values in found.items()}
        if "stress" in arrays:
            arrays["stress"] = full_3x3_to_voigt_6_stress(arrays["stress"])  # [B, 3, 3] -> [B, 6]
            arrays["stress"][[not atoms.pbc.all() for atoms in structures]] = np.nan
        if energies:
            terms = self._atomic_energies(batch)
            arrays["energies"] = add_up(terms, arrays["energy"], [len(atoms) for atoms in structures])
        return arrays

    @torch.no_grad()
    def _atomic_energies(self, batch: Any) -> NDArray[np.float64]:
        """Return the energy of each atom in eV, [N], with a constant of each structure counted for each atom."""
        native = native_backbone(self.unit.model.module)
        assert native is not None
        numbers, positions, graph = native.inputs_of(batch.to(self.unit.device).clone())
        terms = native.potential.atomic_energies(numbers, positions, graph).double()  # [N]
        found = self._energy_task.normalizer.denorm(terms)
        if (references := self._energy_task.element_references) is not None:
            found = found + references.element_references[numbers]
        energies: NDArray[np.float64] = found.double().cpu().numpy()
        return energies

    def _data(self, atoms: Atoms) -> Any:
        tagged = apply_one_tags(atoms.copy())  # as fairchem's data sets do
        for name in ("charge", "spin"):  # numbers of a file may be 1.0, and fairchem takes whole ones
            if (value := tagged.info.get(name)) is not None:
                tagged.info[name] = _whole(name, value)
        self.unit.validate_atoms_data(tagged, self._dataset)
        return AtomicData.from_ase(tagged, task_name=self._dataset, r_edges=False, r_data_keys=["spin", "charge"])


def _whole(name: str, value: Any) -> int:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or value % 1 != 0:  # also where it is not finite
        raise UserError(f"{name}: got {value!r}, expected a whole number")
    return int(value)
