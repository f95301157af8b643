from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.data import generate, make_data, read_solution
from ocp_dc.pinn.data.generators import diffusion_reaction, shallow_water
from ocp_dc.pinn.data.layouts import FILE_LAYOUTS

ENDS = {
    "advection": (2.0, 0.0, 1.0),
    "compressible_flow": (1.0, -1.0, 1.0),
    "diffusion_sorption": (500.0, 0.0, 1.0),
    "diffusion_reaction": (5.0, -1.0, 1.0),
    "shallow_water": (1.0, -2.5, 2.5),
}


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the resolution of the solvers, which these tests do not need."""
    monkeypatch.setattr(diffusion_reaction, "FINEST", 16)
    monkeypatch.setattr(shallow_water, "RINGS", 200)


@pytest.mark.parametrize("task", FILE_LAYOUTS)
def test_data_of_every_task(tmp_path: Path, task: str) -> None:
    path = make_data(task, tmp_path / "new", seed=3, size=8, times=4)
    assert path == tmp_path / "new" / FILE_LAYOUTS[task].file_name
    expected, got = generate(task, size=8, times=4, seed=3), read_solution(task, path)
    end, left, right = ENDS[task]
    assert expected.axes["t"].tolist() == np.linspace(0.0, end, 4).tolist()
    for axis in list(expected.axes)[1:]:
        np.testing.assert_allclose(expected.axes[axis], left + (right - left) * (np.arange(8) + 0.5) / 8, atol=1e-15)
    assert dict(got.parameters) == dict(expected.parameters)
    for name, field in expected.fields.items():
        np.testing.assert_array_equal(got.fields[name], field.astype(np.float32))
    assert not np.array_equal(expected.values, generate(task, size=8, times=4, seed=4).values)


def test_default_sizes() -> None:
    assert generate("advection").fields["u"].shape == (41, 128)
    assert generate("shallow_water").fields["h"].shape == (21, 32, 32)


def test_several_samples_and_a_file_name(tmp_path: Path) -> None:
    path = make_data("advection", tmp_path / "b.h5", seed=1, size=8, times=3, samples=2)
    assert path == tmp_path / "b.h5"
    second = generate("advection", size=8, times=3, seed=2).fields["u"]
    np.testing.assert_array_equal(read_solution("advection", path, 1).fields["u"], second.astype(np.float32))
    several = make_data("shallow_water", tmp_path, size=8, times=3, samples=2)  # each has another radius
    radii = {read_solution("shallow_water", several, number).parameters["dam_radius"] for number in (0, 1)}
    assert len(radii) == 2


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    genuine = tmp_path / FILE_LAYOUTS["advection"].file_name
    genuine.write_text("gigabytes")
    with pytest.raises(UserError, match="exists and is not overwritten"):
        make_data("advection", tmp_path)
    assert genuine.read_text() == "gigabytes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 7}, "size: got 7, expected a whole number, at least 8"),
        ({"size": 64.0}, r"size: got 64\.0"),
        ({"times": 1}, "times: got 1, expected a whole number, at least 2"),
        ({"size": 10**6, "times": 10**6}, "got size 1000000 and times 1000000, 1000000000000 values, expected at most"),
        ({"seed": -1}, "seed: got -1, expected a whole number, at least 0"),
        ({"seed": True}, "seed: got True"),
        ({"samples": 0}, "samples: got 0, expected a whole number, at least 1"),
    ],
)
def test_numbers_that_no_data_can_have(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=f"advection: {message}"):
        make_data("advection", tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_unknown_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"unknown task 'shallow'.*Did you mean 'shallow_water'\?"):
        make_data("shallow", tmp_path)
