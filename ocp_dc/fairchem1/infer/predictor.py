"""Predictions of a checkpoint for ASE's structures, in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from fairchem.core.modules.normalization.normalizer import Normalizer

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.evaluation.predictor import UNITS, Arrays, add_up, check_energies
from ocp_dc.fairchem1.infer.atomic_energies import atomic_energies, has_atomic_energies
from ocp_dc.fairchem1.infer.inference import check_outputs, load_trainer
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.model_boundaries import has_boundaries
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.fairchem1.wrappers import stress


class Predictor:
    """A checkpoint that predicts structures of any composition.

    Args:
        checkpoint: a checkpoint of ocp_dc or fairchem; it is read as data.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Attributes:
        trainer: the trainer that predicts.
        properties: the properties that the checkpoint predicts.

    Raises:
        UserError: the file is missing, damaged or hostile, or predicts no energy.
    """

    def __init__(self, checkpoint: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> None:
        if not isinstance(cpu, bool):
            raise UserError(f"cpu: got {cpu!r}, expected True or False")
        self.trainer = load_trainer(checkpoint, cpu=cpu, trust_modules=trust_modules)
        check_outputs(self.trainer, ("energy",), checkpoint)
        self._derives_stress = stress.why_no_stress(self.trainer._unwrapped_model) is None
        if self._derives_stress:
            _scale_stress(self.trainer)
        names = {*self.trainer.config["outputs"], *(["stress"] if self._derives_stress else [])}
        names |= {"energies"} if has_atomic_energies(self.trainer) else set()
        self.properties: tuple[str, ...] = tuple(name for name in UNITS if name in names)

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the predictions; see :class:`ocp_dc.evaluation.predictor.Predictor`."""
        if energies:
            check_energies(self.properties)
        batch = self._batch(structures)
        has_volume = np.array([atoms.pbc.all() for atoms in structures])  # [B]
        if self._derives_stress:
            self._return_stress(bool(has_volume.any()))
        out = self.trainer.predict(batch, per_image=False, disable_tqdm=True)
        found = {name: out[name].double().cpu().numpy() for name in self.properties if name in out}
        found["energy"] = found["energy"].reshape(len(structures))  # [B, 1] -> [B]
        if "stress" in self.properties:
            stresses = found.get("stress", np.zeros((len(structures), 9))).reshape(-1, 3, 3)
            found["stress"] = full_3x3_to_voigt_6_stress(stresses)  # [B, 6]
            found["stress"][~has_volume] = np.nan
        if energies:
            terms = atomic_energies(self.trainer, self._batch(structures))
            found["energies"] = add_up(terms, found["energy"], [len(atoms) for atoms in structures])
        return found

    def _batch(self, structures: Sequence[Atoms]) -> Any:
        periodic = has_boundaries(self.trainer._unwrapped_model)
        return collate([_data(atoms) for atoms in structures], otf_graph=True, use_pbc=periodic)

    def _return_stress(self, wanted: bool) -> None:
        """Let the trainer predict the stress, or save its time for structures that have none."""
        stress.return_stress(self.trainer._unwrapped_model, wanted)
        for outputs in (self.trainer.config["outputs"], self.trainer.output_targets):
            outputs.pop("stress", None)
            outputs.update({"stress": {"level": "system"}} if wanted else {})


def _scale_stress(trainer: DCTrainer) -> None:
    """Let the trainer multiply stresses by fairchem's factor of the energies, whose derivative they are."""
    factor = trainer.normalizers.get("energy")
    if factor is not None and trainer.state.label_rescaling is None:
        trainer.normalizers["stress"] = Normalizer(mean=0.0, rmsd=factor.rmsd)


def _data(atoms: Atoms) -> Any:
    data = to_data(atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)), sid=0)
    del data["y"], data["force"]  # a prediction has no labels
    return data
