from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocp_dc.core.errors import UserError
from ocp_dc.data.label_search import with_found_keys
from ocp_dc.data.structures import ReadOptions


def found(path: Path, **options: str) -> tuple[str | None, str | None]:
    chosen, notes = with_found_keys([path], ReadOptions(**options))
    assert len(notes) == sum(
        getattr(chosen, key) is not None and key not in options for key in ("energy_key", "forces_key")
    )
    return chosen.energy_key, chosen.forces_key


def water(**arrays: object) -> Atoms:
    atoms = molecule("H2O")
    for name, value in arrays.items():
        (atoms.arrays if np.shape(value) else atoms.info)[name] = value
    return atoms


@pytest.mark.parametrize("name", ["a.xyz", "a.traj", "a.db"])
def test_usual_names_need_no_search(tmp_path: Path, name: str) -> None:
    atoms = water()
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.ones((3, 3)))
    write(tmp_path / name, [atoms, atoms])
    assert found(tmp_path / name) == (None, None)


def test_likely_names(tmp_path: Path) -> None:
    forces = np.ones((3, 3))
    write(tmp_path / "a.xyz", water(REF_energy=1.0, REF_forces=forces, dipole=forces))
    assert found(tmp_path / "a.xyz") == ("REF_energy", "REF_forces")
    assert found(tmp_path / "a.xyz", energy_key="other") == ("other", "REF_forces")
    write(tmp_path / "b.xyz", water(charge=1.0))
    assert found(tmp_path / "b.xyz") == (None, None)
    np.savez(tmp_path / "a.npz", z=[8, 1, 1], R=np.ones((2, 3, 3)), U=np.ones(2), forces=np.ones((2, 3, 3)))
    assert found(tmp_path / "a.npz") == ("U", "forces")
    np.savez(tmp_path / "b.npz", z=[8, 1, 1], R=np.ones((2, 3, 3)), energy=np.ones((2, 1)), forces=np.ones((2, 3, 3)))
    assert found(tmp_path / "b.npz") == ("energy", "forces")


def test_only_the_first_structure_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.xyz", water(REF_energy=1.0, REF_forces=np.ones((3, 3))))
    with (tmp_path / "a.xyz").open("a") as file:
        file.write("3\n\nQq 0 0 0\nH 0 0 1\nH 0 1 0\n")
    assert found(tmp_path / "a.xyz") == ("REF_energy", "REF_forces")
    (tmp_path / "b.traj").write_bytes(b"no trajectory")
    with pytest.raises(UserError, match=r"b\.traj"):
        found(tmp_path / "b.traj")
