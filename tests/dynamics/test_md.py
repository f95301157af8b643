"""Physics, guards and files of simulations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.io import read

from ocp_dc.core import row_table
from ocp_dc.core.errors import UserError
from ocp_dc.core.units import parse_time
from ocp_dc.dynamics import md
from ocp_dc.dynamics.md import run_md
from ocp_dc.dynamics.options import MDOptions
from ocp_dc.dynamics.run_folder import RunFolder

from tests.helpers.springs import Springs


def columns(folder):
    return RunFolder(folder, "trajectory.traj").columns()


def blocks_error(values, blocks=10):
    """The standard error of the mean of correlated values."""
    means = [block.mean() for block in np.array_split(values, blocks)]
    return np.std(means, ddof=1) / np.sqrt(blocks)


def test_nve_conserves_energy_to_second_order_in_the_time_step(tmp_path, tetrahedron):
    found = []
    for step in (0.5, 1.0):
        options = MDOptions(ensemble="nve", time="200 fs", timestep=f"{step} fs", interval=round(5 / step))
        summary = run_md(tetrahedron, Springs(), tmp_path / f"{step}", options, progress=False)
        assert summary["stopped"] is None
        assert summary["steps"] == 200 / step
        assert summary["degrees_of_freedom"] == 6
        found.append(summary["total_energy_rms_meV_per_atom"])
        assert abs(summary["total_energy_drift_meV_per_atom_ps"]) < 5 * summary["total_energy_rms_meV_per_atom"]
    assert found[1] / found[0] == pytest.approx(4, rel=0.1)
    log = columns(tmp_path / "1.0")
    np.testing.assert_allclose(log["total_eV"], log["potential_eV"] + log["kinetic_eV"])
    np.testing.assert_allclose(log["temperature_K"], log["kinetic_eV"] / (3 * units.kB))
    np.testing.assert_allclose(log["time_ps"], 1e-3 * log["step"])


@pytest.mark.parametrize("thermostat", ["langevin", "bussi"])
def test_nvt_has_the_temperature_and_the_potential_energy_of_equipartition(tmp_path, tetrahedron, thermostat):
    options = MDOptions(
        time="8 ps", timestep="2 fs", thermostat=thermostat, thermostat_time="30 fs", temperature=100, interval=8
    )
    summary = run_md(tetrahedron, Springs(), tmp_path / "out", options, progress=False)
    log = columns(tmp_path / "out")
    # Langevin's thermostat heats rotations, too
    assert summary["degrees_of_freedom"] == {"langevin": 9, "bussi": 6}[thermostat]
    error = blocks_error(log["temperature_K"])
    assert error < 8
    assert summary["temperature_mean_K"] == pytest.approx(100, abs=4 * error)
    relaxed = log["potential_eV"][20:]
    expected = 6 / 2 * units.kB * 100  # six vibrations; anharmonic by some percent
    assert relaxed.mean() == pytest.approx(expected, abs=4 * blocks_error(relaxed) + 0.05 * expected)
    momenta = read(tmp_path / "out" / "trajectory.traj").get_momenta()
    assert np.abs(momenta.sum(axis=0)).max() < 1e-9
    assert np.abs(read(tmp_path / "out" / "trajectory.traj").get_center_of_mass()).max() < 1e-6


class IdealGas(Calculator):
    """Atoms without interactions."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012 - as ase declares it

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(self.atoms), 3)), "stress": np.zeros(6)}


def test_npt_gives_the_volume_of_an_ideal_gas(tmp_path, monkeypatch):
    monkeypatch.setattr(md, "too_close", lambda atoms: None)
    count, pressure, kelvin = 20, 0.1, 300.0
    volume = count * units.kB * kelvin / (pressure * units.GPa)
    positions = np.random.default_rng(0).random((count, 3))
    atoms = Atoms(f"Ar{count}", cell=np.eye(3) * (1.3 * volume) ** (1 / 3), pbc=True, scaled_positions=positions)
    options = MDOptions(
        ensemble="npt",
        time="40 ps",
        timestep="10 fs",
        pressure="1 kbar",
        thermostat_time="100 fs",
        barostat_time="200 fs",
        allow_broken_bonds=True,
    )
    summary = run_md(atoms, IdealGas(), tmp_path / "out", options, progress=False)
    log = columns(tmp_path / "out")
    half = {name: values[len(values) // 4 :] for name, values in log.items()}
    assert half["volume_A3"].mean() == pytest.approx(volume, abs=4 * blocks_error(half["volume_A3"]))
    assert half["pressure_GPa"].mean() == pytest.approx(pressure, abs=4 * blocks_error(half["pressure_GPa"]))
    assert half["temperature_K"].mean() == pytest.approx(kelvin, abs=4 * blocks_error(half["temperature_K"]))
    # <V²> - <V>² = <V>²/N of an ideal gas
    assert half["volume_A3"].std() / volume == pytest.approx(1 / np.sqrt(count), rel=0.2)
    assert summary["pressure_GPa"] == pressure
    cells = [frame.cell.cellpar() for frame in read(tmp_path / "out" / "trajectory.traj", "::100")]
    np.testing.assert_allclose([cell[3:] for cell in cells], 90, atol=1e-9)  # the shape is kept
    assert (tmp_path / "out" / "dynamics.png").read_bytes().startswith(b"\x89PNG")


def test_fixed_atoms_stay_and_are_written(tmp_path, tetrahedron):
    tetrahedron.set_constraint(FixAtoms([2]))
    for ensemble in ("nve", "nvt"):
        options = MDOptions(ensemble=ensemble, time="20 fs", trajectory="a.xyz")
        summary = run_md(tetrahedron, Springs(), tmp_path / ensemble, options, progress=False)
        assert summary["degrees_of_freedom"] == 9
        last = read(tmp_path / ensemble / "a.xyz")
        np.testing.assert_allclose(last.positions[2], tetrahedron.positions[2], atol=1e-8)
        assert last.constraints[0].index.tolist() == [2]
        assert np.abs(last.positions[:2] - tetrahedron.positions[:2]).max() > 1e-3


def test_momenta_of_the_file_are_kept(tmp_path, tetrahedron):
    tetrahedron.set_momenta(0.3 * np.eye(4, 3))
    summary = run_md(tetrahedron, Springs(), tmp_path / "out", MDOptions(ensemble="nve", time="5 fs"), progress=False)
    assert summary["velocities"] == "of the file"
    frames = read(tmp_path / "out" / "trajectory.traj", ":")
    np.testing.assert_array_equal(frames[0].get_momenta(), tetrahedron.get_momenta())
    assert tetrahedron.calc is None  # the structure of the caller is unchanged
    np.testing.assert_array_equal(frames[0].positions, tetrahedron.positions)


def test_the_seed_makes_the_trajectory(tmp_path, tetrahedron):
    logs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run_md(tetrahedron, Springs(), tmp_path / name, MDOptions(time="20 fs", seed=seed), progress=False)
        logs.append((tmp_path / name / "log.csv").read_text())
    assert logs[0] == logs[1] != logs[2]


def stopped(tmp_path, atoms, calculator, **changes):
    options = MDOptions(**{"ensemble": "nve", "time": "500 fs", **changes})
    summary = run_md(atoms, calculator, tmp_path / "out", options, progress=False)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["stopped"] == summary["stopped"]
    with pytest.raises(UserError, match="holds a run that stopped at step"):
        run_md(atoms, calculator, tmp_path / "out", options, progress=False)
    return summary


def test_it_stops_when_atoms_fly_apart(tmp_path, tetrahedron):
    tetrahedron.set_velocities(20 * tetrahedron.positions / units.fs * 1e-3)
    summary = stopped(tmp_path, tetrahedron, Springs(stiffness=0.0), max_temperature="1e9 K")
    assert "the atoms fly apart: the bond C" in summary["stopped"]
    frames = read(tmp_path / "out" / "trajectory.traj", ":")
    step = int(summary["stopped"].split()[1][:-1])
    assert len(frames) == step // 10 + 1 + bool(step % 10)  # up to the frame that shows it
    assert 3.04 < frames[-1].get_distance(0, 1) < 3.1  # twice 2 * 0.76 Å
    assert columns(tmp_path / "out")["step"][-1] == step


def test_broken_bonds_can_be_allowed(tmp_path, tetrahedron):
    tetrahedron.set_velocities(20 * tetrahedron.positions / units.fs * 1e-3)
    options = MDOptions(ensemble="nve", time="200 fs", allow_broken_bonds=True)
    summary = run_md(tetrahedron, Springs(stiffness=0.0), tmp_path / "out", options, progress=False)
    assert summary["stopped"] is None


def test_it_stops_when_the_temperature_runs_away(tmp_path, tetrahedron):
    summary = stopped(tmp_path, tetrahedron, Springs(length=1.4), temperature=10, allow_broken_bonds=True)
    assert "the temperature runs away" in summary["stopped"]
    assert summary["stopped"].endswith(" K, above 100 K") or "above 1" in summary["stopped"]


def test_it_stops_when_atoms_are_too_close(tmp_path, tetrahedron):
    summary = stopped(tmp_path, tetrahedron, Springs(length=0.0), max_temperature="1e9 K")
    assert "atoms are too close: C" in summary["stopped"]
    step = int(summary["stopped"].split()[1][:-1])
    assert columns(tmp_path / "out")["step"][-1] == step
    shown = read(tmp_path / "out" / "trajectory.traj", "-1")
    assert min(shown.get_distance(0, other) for other in (1, 2, 3)) < 0.5  # the frame that shows it


def test_a_molecule_can_start_from_rest(tmp_path):
    """Vibrations of 0.1 Å: the kinetic energy, on one degree of freedom, is the potential energy at the start."""
    atoms = Atoms("N2", [[0, 0, 0], [0, 0, 1.1]])
    options = MDOptions(ensemble="nve", temperature="0 K", time="20 fs", timestep="0.1 fs", interval=1)
    summary = run_md(atoms, Springs(length=1.0), tmp_path / "out", options, progress=False)
    assert summary["stopped"] is None
    assert summary["degrees_of_freedom"] == 1
    found = columns(tmp_path / "out")
    np.testing.assert_allclose(found["temperature_K"], 2 * found["kinetic_eV"] / units.kB, rtol=1e-9)
    assert found["kinetic_eV"].max() > 0


def test_it_stops_when_forces_are_not_finite(tmp_path, tetrahedron):
    class Broken(Springs):
        def calculate(self, *arguments, **more):
            super().calculate(*arguments, **more)
            if self.calls == 34:
                self.results["forces"][2, 1] = np.nan

    summary = stopped(tmp_path, tetrahedron, Broken())
    assert "the forces or the energy are not finite" in summary["stopped"]
    assert columns(tmp_path / "out")["step"].tolist() == [0, 10, 20, 30]


def test_it_stops_when_the_calculator_refuses(tmp_path, tetrahedron):
    summary = stopped(tmp_path, tetrahedron, Springs(fails_at=15, error=UserError("two atoms are one")))
    assert summary["stopped"] == "step 14: two atoms are one"
    assert len(read(tmp_path / "out" / "trajectory.traj", ":")) == 2


def test_the_uncertainty_of_an_ensemble_is_logged(tmp_path, tetrahedron):
    class Committee(Springs):
        def calculate(self, *arguments, **more):
            super().calculate(*arguments, **more)
            self.results["forces_std"] = np.arange(12.0).reshape(4, 3) + self.calls

    run_md(tetrahedron, Committee(), tmp_path / "out", MDOptions(time="10 fs"), progress=False)
    assert columns(tmp_path / "out")["forces_std_max_eV_A"].tolist() == [12.0, 22.0, 32.0]


def test_pressure_of_periodic_structures(tmp_path, copper):
    run_md(copper, EMT(), tmp_path / "out", MDOptions(ensemble="nve", time="5 fs"), progress=False)
    first = read(tmp_path / "out" / "trajectory.traj", 0)
    copper.set_momenta(first.get_momenta())
    expected = -copper.get_stress(include_ideal_gas=True)[:3].mean() / units.GPa
    assert columns(tmp_path / "out")["pressure_GPa"][0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pbc": [True, True, False]}, "npt: got a structure with pbc T T F"),
        ({"constraint": FixAtoms([0])}, "npt: got a structure with fixed atoms"),
    ],
)
def test_npt_refuses(tmp_path, copper, change, message):
    atoms = Atoms(copper.numbers, copper.positions, cell=copper.cell, **{"pbc": True, **change})
    with pytest.raises(UserError, match=message):
        run_md(atoms, EMT(), tmp_path / "out", MDOptions(ensemble="npt"), progress=False)
    assert not (tmp_path / "out").exists()


def test_npt_needs_stress(tmp_path, tetrahedron):
    with pytest.raises(UserError, match=r"npt: needs the stress, .*predicts energy, forces"):
        run_md(tetrahedron, Springs(), tmp_path / "out", MDOptions(ensemble="npt"), progress=False)


def test_the_log_is_a_table_of_numbers(tmp_path, tetrahedron):
    run_md(tetrahedron, Springs(), tmp_path / "out", MDOptions(time="10 fs"), progress=False)
    header, rows = row_table.read(tmp_path / "out" / "log.csv", "a log")
    assert header == ["step", "time_ps", "potential_eV", "kinetic_eV", "total_eV", "temperature_K"]
    assert [row[0] for row in rows] == ["0", "10", "20"]
    assert parse_time("10 fs", "time") == 1e3 * float(rows[-1][1])
