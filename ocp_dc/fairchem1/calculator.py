"""The ASE calculator of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from ocp_dc.data.ase_files import atoms_frame
from ocp_dc.data.lmdb_io import to_data
from ocp_dc.fairchem1.collate import collate
from ocp_dc.fairchem1.inference import load_trainer


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
        self.trainer = load_trainer(checkpoint, cpu=cpu, trust_modules=trust_modules)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces of ``atoms``; both come from one evaluation of the network.

        Raises:
            UserError: an element that the labels' centre was not fitted for.
        """
        super().calculate(atoms, properties, system_changes)
        structure = self.atoms  # the copy that ase keeps to see changes
        assert structure is not None  # ase has just set it
        batch = collate([_data(structure)], otf_graph=True)
        out: dict[str, Any] = self.trainer.predict(batch, per_image=False, disable_tqdm=True)
        energy = float(out["energy"])
        forces = out["forces"].double().cpu().numpy() if "forces" in out else np.full((len(structure), 3), np.nan)
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


def _data(atoms: Atoms) -> Any:
    data = to_data(atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)), sid=0)
    del data["y"], data["force"]  # a prediction has no labels
    return data
