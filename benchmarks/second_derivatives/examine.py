"""Examine the potentials of a study: Hessians, harmonic frequencies and bond scans, against GFN2-xTB.

    ocp-dc study run configs/studies/second_derivatives.yml --out STUDY
    python benchmarks/second_derivatives/examine.py STUDY OUT

Everything is computed in float64 by the native model of each finished run. Hessians are central differences of forces
at a displacement of 0.001 Å. At the reference's minimum the Hessian is compared; frequencies are computed there and at
the potential's own minimum, to which it relaxes from there. OUT/examined/ID.json has the numbers of a run, and ID.npz
its second derivatives along the scans. Runs that are there already are not repeated. It takes some 10 seconds a run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import minimize_rotation_and_translation
from ase.optimize import BFGS
from bond_scans import Scan, bond_scans, kink
from float64_potential import Float64Potential, Float64Predictor
from reference_data import Reference, load_reference
from vibrations import central_hessian, frequencies, normal_modes, relative_error, vibrational_hessian

from ocp_dc.core.files import write_json
from ocp_dc.evaluation.calculator import PotentialCalculator
from ocp_dc.study.results import read_results
from ocp_dc.training.run_folders import find_checkpoint

STEP = 1e-3  # Å; the changes at other displacements are part of the results
STRETCHES = 6  # the highest modes are five C-H stretches and one O-H
Metrics = dict[str, float]
Curves = dict[str, np.ndarray]


def frequency_errors(found: np.ndarray, reference: np.ndarray, place: str) -> Metrics:
    """Return the errors of frequencies [21] in cm^-1, in ascending order: of all, below and in the X-H stretches."""
    errors = np.abs(found - reference)
    return {
        f"{place}_mae": errors.mean(),
        f"{place}_max": errors.max(),
        f"{place}_low_mae": errors[:-STRETCHES].mean(),
        f"{place}_stretch_mae": errors[-STRETCHES:].mean(),
        f"{place}_imaginary": float((found < 0).sum()),
    }


def hessian_errors(hessian: np.ndarray, reference: Reference) -> Metrics:
    """Return relative errors of a Hessian at the reference's minimum, also within the reference's modes."""
    atoms = reference.atoms
    modes = normal_modes(atoms, reference.hessian)  # [3N, 21]
    blocks = {"low": modes[:, :-STRETCHES], "stretch": modes[:, -STRETCHES:]}
    weighted, expected = (vibrational_hessian(atoms, each) for each in (hessian, reference.hessian))
    parts = {
        f"hessian_{name}": relative_error(block.T @ weighted @ block, block.T @ expected @ block)
        for name, block in blocks.items()
    }
    return {"hessian": relative_error(hessian, reference.hessian), **parts}


def relaxed(potential: Float64Potential, start: Atoms) -> tuple[Atoms, Metrics]:
    """Return the minimum of a potential, the largest force there, and how far it is from the start."""
    atoms = start.copy()
    atoms.calc = PotentialCalculator(Float64Predictor(potential))
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=500)
    largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
    atoms.calc = None
    moved = atoms.copy()
    minimize_rotation_and_translation(start, moved)
    distance = float(np.sqrt(((moved.positions - start.positions) ** 2).sum(axis=1).mean()))
    return atoms, {"relaxed_force": largest, "relaxed_distance": distance}


def displacement_changes(potential: Float64Potential, single: Float64Potential, atoms: Atoms) -> Metrics:
    """Return the largest change of a frequency at other displacements, and in float32, at a minimum."""

    def lines(model: Float64Potential, step: float) -> np.ndarray:
        return frequencies(atoms, central_hessian(model.forces, atoms.positions, step))

    kept = lines(potential, STEP)
    cases = {"float64": (potential, (1e-5, 1e-4, 1e-2)), "float32": (single, (1e-4, 1e-3, 1e-2))}
    return {
        f"change_{name}_{step:g}": float(np.abs(lines(model, step) - kept).max())
        for name, (model, steps) in cases.items()
        for step in steps
    }


def scan_metrics(potential: Float64Potential, scan: Scan, fine: Scan, reference: Reference) -> tuple[Metrics, Curves]:
    """Return errors and jumps of the second derivative along a scan, and the second derivatives themselves."""
    slopes = scan.slopes(potential.forces(scan.positions))
    curvatures, expected = scan.curvatures(slopes), scan.curvatures(reference.slopes[scan.name])
    close = fine.curvatures(fine.slopes(potential.forces(fine.positions)))
    metrics = {
        "slope_rmse": float(np.sqrt(np.mean((slopes - reference.slopes[scan.name]) ** 2))),
        "curvature_rmse": float(np.sqrt(np.mean((curvatures - expected) ** 2))),
        "jump": largest_jump(curvatures),
        "kink": kink(close),
    }
    curves = {scan.name: curvatures, f"{scan.name}_fine": close}
    return {f"{scan.name}_{key}": value for key, value in metrics.items()}, curves


def largest_jump(curvatures: np.ndarray) -> float:
    """Return the largest change between neighbors, as a share of the range."""
    return float(np.abs(np.diff(curvatures)).max() / np.ptp(curvatures))


def examine(checkpoint: Path, reference: Reference) -> tuple[Metrics, Curves]:
    """Return the numbers of a potential, and its second derivatives along the scans."""
    atoms = reference.atoms
    potential = Float64Potential(checkpoint, atoms.numbers)
    single = Float64Potential(checkpoint, atoms.numbers, torch.float32)
    expected = frequencies(atoms, reference.hessian)
    hessian = central_hessian(potential.forces, atoms.positions, STEP)
    metrics = hessian_errors(hessian, reference) | frequency_errors(frequencies(atoms, hessian), expected, "fixed")
    minimum, found = relaxed(potential, atoms)
    own = frequencies(minimum, central_hessian(potential.forces, minimum.positions, STEP))
    metrics |= found | frequency_errors(own, expected, "relaxed")
    metrics |= displacement_changes(potential, single, minimum)
    arrays: Curves = {"frequencies": own}
    for scan, fine in zip(bond_scans(atoms), bond_scans(atoms, fine=True), strict=True):
        along, curves = scan_metrics(potential, scan, fine, reference)
        metrics, arrays = metrics | along, arrays | curves
    return metrics, arrays


def main() -> None:
    """Examine the finished runs of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    folder, reference = args.out / "examined", load_reference()
    folder.mkdir(parents=True, exist_ok=True)
    for run in read_results(args.study).records:
        if run.status == "done" and not (folder / f"{run.id}.json").exists():
            metrics, arrays = examine(find_checkpoint(run.folder), reference)
            np.savez_compressed(folder / f"{run.id}.npz", **arrays)
            write_json(folder / f"{run.id}.json", {key: float(value) for key, value in metrics.items()})
            errors = (
                f"{metrics['fixed_mae']:.1f} cm^-1 at the reference's minimum, {metrics['relaxed_mae']:.1f} at its own"
            )
            print(f"{run.arm}, seed {run.seed}: frequencies off by {errors}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
