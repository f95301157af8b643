from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from ocp_dc.pinn.data import read_solution
from ocp_dc.pinn.data.layouts import FILE_LAYOUTS

from tests.helpers.genuine_files import grouped, stacked


def test_advection_as_pdebench_writes_it(tmp_path: Path) -> None:
    values = stacked(tmp_path / "a.hdf5", ("tensor",), {"beta": 0.1})
    solution = read_solution("advection", tmp_path / "a.hdf5", 2)
    assert list(solution.axes) == ["t", "x"]
    assert solution.parameters == {"beta": 0.1}
    assert solution.fields["u"].dtype == np.float64
    np.testing.assert_array_equal(solution.fields["u"], values["tensor"][2])
    np.testing.assert_array_equal(solution.axes["t"], values["t-coordinate"][:5])
    np.testing.assert_array_equal(solution.axes["x"], values["x-coordinate"])


def test_compressible_flow_as_pdebench_writes_it(tmp_path: Path) -> None:
    values = stacked(tmp_path / "a.hdf5", ("pressure", "Vx", "density"), {"eta": 1e-8, "zeta": 1e-8})
    solution = read_solution("compressible_flow", tmp_path / "a.hdf5", 3)
    assert list(solution.fields) == ["density", "velocity", "pressure"]
    assert solution.parameters == {"eta": 1e-8, "zeta": 1e-8}
    for name, key in zip(solution.fields, ("density", "Vx", "pressure"), strict=True):
        np.testing.assert_array_equal(solution.fields[name], values[key][3])


@pytest.mark.parametrize("root_config", [False, True])
@pytest.mark.parametrize(
    ("task", "names", "dimensions", "parameters"),
    [
        ("diffusion_sorption", ["u"], 1, {"D": 5e-4, "por": 0.29}),
        ("diffusion_reaction", ["u", "v"], 2, {"Du": 1e-3}),
        ("shallow_water", ["h"], 2, {"gravity": 1.0, "dam_radius": 0.6412, "inner_height": 2.0}),
    ],
)
def test_samples_in_groups_as_pdebench_writes_them(
    tmp_path: Path, task: str, names: list[str], dimensions: int, parameters: dict[str, float], root_config: bool
) -> None:
    values = grouped(tmp_path / "a.h5", len(names), dimensions, root_config)
    solution = read_solution(task, tmp_path / "a.h5", 1)
    assert list(solution.fields) == names
    assert solution.parameters == parameters
    for channel, name in enumerate(names):
        np.testing.assert_array_equal(solution.fields[name], values["0001"][..., channel])
    for axis, points in solution.axes.items():
        np.testing.assert_array_equal(points, values[axis])
    assert solution.values.shape == (len(solution.points), len(names))


def test_only_the_sample_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:  # 800 GB, of which one sample is there
        tensor = file.create_dataset("tensor", (10_000_000, 20, 1000), "f4", chunks=(1, 20, 1000))
        tensor[7_000_000] = 1.0
        file["x-coordinate"], file["t-coordinate"] = np.arange(1000.0), np.arange(21.0)
    assert (read_solution("advection", path, 7_000_000).fields["u"] == 1.0).all()


def test_file_name_and_order_of_every_layout() -> None:
    assert {layout.file_name for layout in FILE_LAYOUTS.values()} == {
        "1D_Advection_Sols_beta0.1.hdf5",
        "1D_CFD_Rand_Eta1.e-8_Zeta1.e-8_periodic_Train.hdf5",
        "1D_diff-sorp_NA_NA.h5",
        "2D_diff-react_NA_NA.h5",
        "2D_rdb_NA_NA.h5",
    }
    assert all(layout.axes[0] == "t" for layout in FILE_LAYOUTS.values())
