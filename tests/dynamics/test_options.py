from __future__ import annotations

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.dynamics.options import MDOptions, RelaxOptions


def test_quantities_in_the_units_of_the_integrators():
    options = MDOptions(time="0.01 ns", timestep="2fs", temperature="500 K")
    assert (options.steps, options.timestep_fs, options.temperature_k) == (5000, 2.0, 500.0)
    assert options.temperature_limit(900.0) == 9000.0
    assert MDOptions(max_temperature=700).temperature_limit(900.0) == 700.0


def test_settings_are_what_determines_the_trajectory():
    assert MDOptions(time="1 ps").settings() == MDOptions(time="2 ps", max_temperature="1000 K").settings()
    assert MDOptions(timestep="1 fs").settings() == MDOptions(timestep="0.001 ps").settings()
    assert MDOptions(seed=1).settings() != MDOptions(seed=2).settings()
    assert "thermostat" not in MDOptions(ensemble="nve").settings()
    assert MDOptions(ensemble="npt", pressure="1 GPa").settings()["pressure_GPa"] == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble": "nvp"}, "ensemble: got 'nvp', expected one of nve, nvt, npt. Did you mean"),
        ({"time": "10"}, "time: got '10', expected a time such as '10 ps' or '0.5fs'; add the unit"),
        ({"timestep": "0 fs"}, "timestep in fs: got 0.0, expected a finite number, above 0"),
        ({"time": "0.1 fs"}, "expected at least one time step of 0.5 fs"),
        ({"temperature": "0 K"}, "temperature in K: got 0.0"),
        ({"temperature": "-1", "ensemble": "nve"}, "temperature in K: got -1.0"),
        ({"thermostat": "bussi", "ensemble": "npt"}, "expected langevin"),
        ({"seed": -1}, "seed: got -1"),
        ({"interval": 0}, "interval: got 0"),
        ({"trajectory": "a/b.traj"}, "trajectory: got 'a/b.traj', expected a name without a folder"),
        ({"trajectory": "a.pdb"}, "ends in .traj, .xyz, .extxyz"),
        ({"allow_broken_bonds": "no"}, "true or false"),
    ],
)
def test_refused_options(changes, message):
    with pytest.raises(UserError) as error:
        MDOptions(**changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "changes", [{"fmax": 0.0}, {"steps": 0}, {"optimizer": "bgfs"}, {"pressure": "1 GPa"}, {"cell": 1}], ids=str
)
def test_refused_options_of_a_relaxation(changes):
    with pytest.raises(UserError, match=f"^{next(iter(changes))}"):
        RelaxOptions(**changes)
