from __future__ import annotations

import csv

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read
from ase.optimize import BFGS

from ocp_dc.core.errors import UserError
from ocp_dc.dynamics.options import RelaxOptions
from ocp_dc.dynamics.relax_files import relax_table, relax_to_folder
from ocp_dc.dynamics.relaxation import relax

from tests.helpers.springs import Springs


@pytest.mark.parametrize("optimizer", ["lbfgs", "bfgs", "fire"])
def test_springs_come_to_rest(tetrahedron, optimizer):
    start = tetrahedron.copy()
    start.rattle(0.1, seed=0)
    (found,) = relax([start], Springs(), RelaxOptions(optimizer=optimizer, fmax=1e-3))
    assert found.converged
    assert found.fmax < 1e-3
    distances = found.atoms.get_all_distances()[np.triu_indices(4, 1)]
    np.testing.assert_allclose(distances, 1.0, atol=1e-3)
    before = 0.5 * 5.0 * ((start.get_all_distances()[np.triu_indices(4, 1)] - 1) ** 2).sum()
    assert found.energy_change == pytest.approx(-before, abs=1e-5)
    assert found.volume_change is None
    assert start.calc is None


def test_a_cell_relaxes_to_the_lattice_constant_of_emt():
    lattice = np.linspace(3.5, 3.7, 201)
    energies = []
    for a in lattice:
        atoms = bulk("Cu", a=a)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
    expected = lattice[np.argmin(energies)]
    (found,) = relax([bulk("Cu", a=3.7)], EMT(), RelaxOptions(cell=True, fmax=1e-3))
    assert found.converged
    a = (4 * found.atoms.cell.volume) ** (1 / 3)
    assert a == pytest.approx(expected, abs=2e-3)
    assert found.volume_change == pytest.approx((a / 3.7) ** 3 - 1)
    (pressed,) = relax([bulk("Cu", a=3.7)], EMT(), RelaxOptions(cell=True, fmax=1e-3, pressure="5 GPa"))
    assert -pressed.atoms.get_stress()[:3].mean() / units.GPa == pytest.approx(5, abs=0.05)


def test_fixed_atoms_do_not_move(tetrahedron):
    tetrahedron.rattle(0.1, seed=0)
    tetrahedron.set_constraint(FixAtoms([0, 1, 2]))
    (found,) = relax([tetrahedron], Springs(), RelaxOptions())
    assert found.converged
    np.testing.assert_array_equal(found.atoms.positions[:3], tetrahedron.positions[:3])
    assert found.atoms.constraints[0].index.tolist() == [0, 1, 2]


def test_agrees_with_ase(tetrahedron):
    tetrahedron.rattle(0.1, seed=0)
    theirs = tetrahedron.copy()
    theirs.calc = Springs()
    optimizer = BFGS(theirs, logfile=None)
    optimizer.run(fmax=0.01)
    (found,) = relax([tetrahedron], Springs(), RelaxOptions(optimizer="bfgs"))
    assert found.steps == optimizer.nsteps > 2
    np.testing.assert_array_equal(found.atoms.positions, theirs.positions)


class TestProblems:
    def test_too_few_steps(self, tetrahedron):
        tetrahedron.rattle(0.1, seed=0)
        (found,) = relax([tetrahedron], Springs(), RelaxOptions(steps=2))
        assert (found.converged, found.steps, found.problem) == (False, 2, "not converged within 2 steps")
        assert found.energy_change < 0

    def test_a_calculator_that_refuses_a_later_structure(self, tetrahedron):
        tetrahedron.rattle(0.1, seed=0)
        calculator = Springs(fails_at=4, error=UserError("two atoms are one"))
        (found,) = relax([tetrahedron], calculator, RelaxOptions())
        assert (found.converged, found.problem) == (False, "two atoms are one")
        assert np.isfinite(found.fmax)

    def test_forces_that_are_not_finite(self, tetrahedron):
        class Broken(Springs):
            def calculate(self, *arguments, **more):
                super().calculate(*arguments, **more)
                if self.calls == 3:
                    self.results["forces"][:] = np.nan

        tetrahedron.rattle(0.1, seed=0)
        (found,) = relax([tetrahedron], Broken(), RelaxOptions())
        assert found.problem == "the forces are not finite"
        assert np.isfinite(found.atoms.get_forces()).all()

    def test_a_cell_without_stress(self, tetrahedron):
        with pytest.raises(UserError, match="structure 0: cell: needs the stress, which this model does not predict"):
            relax([tetrahedron], Springs(), RelaxOptions(cell=True))


@pytest.mark.parametrize("name", ["relaxed.xyz", "relaxed.traj"])
def test_the_folder(tmp_path, tetrahedron, name):
    moved = tetrahedron.copy()
    moved.rattle(0.1, seed=0)
    structures = {3: tetrahedron, 7: moved}
    found = relax_to_folder(structures, Springs(), tmp_path, RelaxOptions(steps=3), name=name, progress=False)
    assert [each.converged for each in found.values()] == [True, False]
    frames = read(tmp_path / name, ":")
    for frame, each in zip(frames, found.values(), strict=True):
        np.testing.assert_allclose(frame.positions, each.atoms.positions, atol=1e-8)
        np.testing.assert_allclose(frame.get_forces(), each.atoms.get_forces(), atol=1e-8)
        assert frame.get_potential_energy() == pytest.approx(each.atoms.get_potential_energy())
    with (tmp_path / "relaxation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["steps"], row["converged"]) for row in rows] == [("3", "0", "True"), ("7", "3", "False")]
    assert rows[1]["problem"] == "not converged within 3 steps"
    assert float(rows[1]["fmax_eV_A"]) == found[7].fmax
    assert relax_table(found).row_count == 2
    assert relax_table(dict.fromkeys(range(50), found[7]) | {50: found[3]}).row_count == 50
    before = (tmp_path / name).read_bytes()
    with pytest.raises(UserError, match=r"relaxation\.csv: there already; .*--overwrite"):
        relax_to_folder(structures, Springs(), tmp_path, RelaxOptions(), name=name, progress=False)
    assert (tmp_path / name).read_bytes() == before
    relax_to_folder({0: tetrahedron}, Springs(), tmp_path, name=name, overwrite=True, progress=False)
    assert len(read(tmp_path / name, ":")) == 1


def test_finished_structures_are_kept_when_a_later_one_fails(tmp_path, tetrahedron):
    moved = tetrahedron.copy()
    moved.rattle(0.1, seed=0)
    with pytest.raises(RuntimeError, match="switched off"):
        relax_to_folder({0: tetrahedron, 1: moved}, Springs(fails_at=3), tmp_path, progress=False)
    assert len(read(tmp_path / "relaxed.xyz", ":")) == 1
    assert len((tmp_path / "relaxation.csv").read_text().splitlines()) == 2
