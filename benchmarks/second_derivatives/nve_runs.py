"""Run molecular dynamics at constant energy with every potential of a study: 20 ps of ethanol in steps of 0.5 fs.

    python benchmarks/second_derivatives/nve_runs.py STUDY OUT

The start is the first geometry of the bundled sample with velocities at 300 K, drawn with the seed of the run. Forces
are those of the TorchScript file that ``ocp-dc export`` writes (float32, energies added in float64), which takes a
third of the time of ``ocp_dc.calculator``. OUT/nve/ID is a folder of ``ocp-dc md``: an interrupted run continues, and a
finished one is not repeated. A run takes about two minutes on an idle core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from ocp_dc.data.sample import sample_path
from ocp_dc.dynamics.md import SUMMARY, run_md
from ocp_dc.dynamics.options import MDOptions
from ocp_dc.evaluation.calculator import PotentialCalculator
from ocp_dc.evaluation.predictor import Arrays
from ocp_dc.interfaces.torchscript import EnergyAndForces
from ocp_dc.interfaces.trained import load_trained
from ocp_dc.study.results import read_results
from ocp_dc.training.run_folders import find_checkpoint


class ScriptedPredictor:
    """The exported potential, for one molecule smaller than the cutoff: all pairs are edges."""

    properties = ("energy", "forces")

    def __init__(self, checkpoint: Path, natoms: int) -> None:
        self._model = torch.jit.script(EnergyAndForces(load_trained(checkpoint)).eval())
        target, source = (~torch.eye(natoms, dtype=torch.bool)).nonzero().T.contiguous()
        images = torch.zeros(len(source), 3, dtype=torch.int64)
        self._graph = (torch.zeros(1, 3, 3), source, target, images, torch.zeros(natoms, dtype=torch.int64))

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the energy [1] in eV and the forces [N, 3] in eV/Å of one structure."""
        [atoms] = structures
        with torch.no_grad():
            found = self._model(torch.from_numpy(atoms.numbers), torch.from_numpy(atoms.positions), *self._graph)
        return {"energy": found["energy"].reshape(1).numpy(), "forces": found["forces"].numpy()}


def main() -> None:
    """Simulate with the finished runs of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--time", default="20ps")
    args = parser.parse_args()
    sample = np.load(sample_path())
    start = Atoms(sample["nuclear_charges"], sample["coords"][0].astype(np.float64))
    for run in read_results(args.study).records:
        folder = args.out / "nve" / run.id
        if run.status == "done" and not (folder / SUMMARY).exists():
            options = MDOptions(ensemble="nve", temperature="300 K", time=args.time, timestep="0.5 fs", seed=run.seed)
            calculator = PotentialCalculator(ScriptedPredictor(find_checkpoint(run.folder), len(start)))
            found = run_md(start, calculator, folder, options, progress=False)
            drift, rms = (found[f"total_energy_{key}"] for key in ("drift_meV_per_atom_ps", "rms_meV_per_atom"))
            line = f"drift {drift:+.4f} meV/atom/ps, fluctuation {rms:.4f} meV/atom"
            print(f"{run.arm}, seed {run.seed}: {line}; {found['stopped'] or 'intact'}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the tails of SchNet's Gaussians
    main()
