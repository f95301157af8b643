"""The ASE calculator of a checkpoint."""

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
    """Energies in eV, in float64, and forces in eV/Å.

    Args:
        checkpoint: a checkpoint of ours or of fairchem's.
        cpu: stay on the CPU where there is a GPU.
        trust_modules: modules whose code the checkpoint may name, beside fairchem's and ours.
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
        """Compute energy and forces of ``atoms``; both come from one evaluation of the network.

        Raises:
            UserError: the structure cannot be meant (no atoms, coordinates that are not finite or beyond 1e4 Å, as
                where molecular dynamics explodes, atoms on top of each other), holds an element that the model or the
                labels' centre does not know, or the prediction is not finite.
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms  # the copy that ase keeps to see changes
        if structure is None:
            raise UserError("calculator: got no atoms, expected an ase.Atoms")
        self.results = {}  # none are left of the structure before where this one is refused
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
