"""The ASE calculator for a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ocp_dc.core.errors import UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.structure_check import check_structure
from ocp_dc.fairchem1.infer.inference import check_outputs, load_trainer
from ocp_dc.fairchem1.train.collate import collate


class DCCalculator(Calculator):
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

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute the energy and forces of ``atoms`` with one evaluation of the network.

        Raises:
            UserError: the structure is not plausible (no atoms, atoms on top of each other, or coordinates that are
                not finite or beyond 1e4 Å, as after unstable molecular dynamics), it has an element that is unknown
                to the model or the label rescaling, or the prediction is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms  # the copy with which ase detects changes
        if structure is None:
            raise UserError("calculator: got no atoms, expected an ase.Atoms")
        self.results = {}  # keep no results of the previous structure if this one is rejected
        cell = structure.cell.array if structure.cell.array.any() else None
        check_structure(structure.numbers, structure.positions, cell, structure.pbc, "calculator: the structure")
        batch = collate([_data(structure)], otf_graph=True)
        out: dict[str, Any] = self.trainer.predict(batch, per_image=False, disable_tqdm=True)
        energy = float(out["energy"])
        forces = out["forces"].double().cpu().numpy() if "forces" in out else np.full((len(structure), 3), np.nan)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


def _data(atoms: Atoms) -> Any:
    data = to_data(atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)), sid=0)
    del data["y"], data["force"]  # a prediction has no labels
    return data
