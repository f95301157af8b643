"""Write reference.json: minimum, Hessian and bond scans of ethanol by GFN2-xTB, the method of the bundled sample.

    pip install tblite ase
    python benchmarks/second_derivatives/xtb_reference.py

The minimum is the anti conformer. The Hessian is that of central differences of analytic forces at the displacement in
STEP; the file also has the largest change of a frequency for the other ones. It takes a minute on one core.
GFN2-xTB: Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 2019, 15, 1652.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.optimize import BFGS
from bond_scans import Scan, bond_scans, kink
from tblite.ase import TBLite
from vibrations import central_hessian, frequencies

ACCURACY = 1e-3  # of tblite; 1 is its default
STEP, OTHERS = 1e-3, (5e-4, 2e-3, 5e-3, 1e-2)  # displacements in Å


def predict(atoms: Atoms, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return energies [B] and forces [B, N, 3] of geometries [B, N, 3]."""
    found = []
    for geometry in positions:
        atoms.positions = geometry
        found.append((atoms.get_potential_energy(), atoms.get_forces()))
    return np.array([energy for energy, _ in found]), np.array([forces for _, forces in found])


def scan_record(atoms: Atoms, scan: Scan, fine: Scan) -> dict[str, Any]:
    """Return energies and slopes along a scan, and the largest jump of its second derivative in fine steps."""
    energies, forces = predict(atoms, scan.positions)
    curvatures = fine.curvatures(fine.slopes(predict(atoms, fine.positions)[1]))
    return {
        "energies": np.round(energies - energies.min(), 8).tolist(),
        "slopes": np.round(scan.slopes(forces), 8).tolist(),
        "kink": kink(curvatures),
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("reference.json"))
    out = parser.parse_args().out
    atoms = molecule("CH3CH2OH")
    atoms.calc = TBLite(method="GFN2-xTB", accuracy=ACCURACY, verbosity=0)
    BFGS(atoms, logfile=None).run(fmax=1e-5, steps=500)
    atoms.positions = np.round(atoms.positions - atoms.get_center_of_mass(), 8)
    minimum = atoms.copy()
    largest = float(np.abs(atoms.get_forces()).max())

    def hessian(step: float) -> np.ndarray:
        return central_hessian(lambda positions: predict(atoms, positions)[1], minimum.positions, step)

    kept = hessian(STEP)
    lines = frequencies(minimum, kept)
    changes = {step: float(np.abs(frequencies(minimum, hessian(step)) - lines).max()) for step in OTHERS}
    scans = zip(bond_scans(minimum), bond_scans(minimum, fine=True), strict=True)
    record = {
        "method": f"GFN2-xTB by tblite {version('tblite')}, accuracy {ACCURACY:g}; benchmarks/second_derivatives",
        "numbers": minimum.numbers.tolist(),
        "positions_A": minimum.positions.tolist(),
        "largest_force_eV_A": largest,
        "displacement_A": STEP,
        "largest_change_cm-1": {f"{step:g}": round(change, 3) for step, change in changes.items()},
        "hessian_eV_A2": np.round(kept, 6).tolist(),
        "frequencies_cm-1": np.round(lines, 3).tolist(),
        "scans": {scan.name: scan_record(atoms, scan, fine) for scan, fine in scans},
    }
    out.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(f"{out}: largest force {largest:.1e} eV/Å, frequencies in cm^-1:", *np.round(lines, 1))
    print("largest change at other displacements:", record["largest_change_cm-1"])


if __name__ == "__main__":
    main()
