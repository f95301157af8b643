"""Predictions of a checkpoint for ASE's structures, in physical units."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.evaluation.predictor import Arrays
from ocp_dc.fairchem1.infer.inference import check_outputs, load_trainer
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.model_boundaries import has_boundaries


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
        outputs = self.trainer.config["outputs"]
        self.properties: tuple[str, ...] = tuple(name for name in ("energy", "forces") if name in outputs)

    def predict(self, structures: Sequence[Atoms]) -> Arrays:
        """Return the predictions; see :class:`ocp_dc.evaluation.predictor.Predictor`."""
        periodic = has_boundaries(self.trainer._unwrapped_model)
        batch = collate([_data(atoms) for atoms in structures], otf_graph=True, use_pbc=periodic)
        out = self.trainer.predict(batch, per_image=False, disable_tqdm=True)
        found = {name: out[name].double().cpu().numpy() for name in self.properties}
        found["energy"] = found["energy"].reshape(len(structures))  # [B, 1] -> [B]
        return found


def _data(atoms: Atoms) -> Any:
    data = to_data(atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)), sid=0)
    del data["y"], data["force"]  # a prediction has no labels
    return data
