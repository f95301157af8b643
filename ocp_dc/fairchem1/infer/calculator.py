"""The ASE calculator for a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.evaluation.checked_calculator import CheckedCalculator
from ocp_dc.fairchem1.infer.inference import check_outputs, load_trainer
from ocp_dc.fairchem1.train.collate import collate


class DCCalculator(CheckedCalculator):
    """ASE calculator with energies in eV, in float64, and forces in eV/Å.

    Args:
        checkpoint: a checkpoint of ocp_dc or fairchem.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
    """

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012 - as ase declares it

    def __init__(self, checkpoint: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> None:
        super().__init__()
        if not isinstance(cpu, bool):
            raise UserError(f"calculator: cpu: got {cpu!r}, expected True or False")
        self.trainer = load_trainer(checkpoint, cpu=cpu, trust_modules=trust_modules)
        check_outputs(self.trainer, ("energy",), checkpoint)

    def predict(self, structure: Atoms, properties: Sequence[str]) -> dict[str, Any]:
        """Return energy and forces; forces are NaN for a model that predicts none."""
        batch = collate([_data(structure)], otf_graph=True)
        out: dict[str, Any] = self.trainer.predict(batch, per_image=False, disable_tqdm=True)
        energy = float(out["energy"])
        forces = out["forces"].double().cpu().numpy() if "forces" in out else np.full((len(structure), 3), np.nan)
        return {"energy": energy, "free_energy": energy, "forces": forces}


def _data(atoms: Atoms) -> Any:
    data = to_data(atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)), sid=0)
    del data["y"], data["force"]  # a prediction has no labels
    return data
