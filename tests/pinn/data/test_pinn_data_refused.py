"""Damaged, mistaken and malicious files."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.pinn.data import read_solution
from ocp_dc.pinn.data.safe_hdf5 import number_in_config

from tests.helpers.genuine_files import grouped, stacked


@pytest.fixture
def advection(tmp_path: Path) -> Path:
    stacked(tmp_path / "a.hdf5", ("tensor",), {"beta": 0.1})
    return tmp_path / "a.hdf5"


@pytest.fixture
def water(tmp_path: Path) -> Path:
    grouped(tmp_path / "w.h5", 1, 2)
    return tmp_path / "w.h5"


def test_no_hdf5_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.h5: no such file; expected an HDF5 file"):
        read_solution("advection", tmp_path / "a.h5")
    with pytest.raises(UserError, match="is a folder"):
        read_solution("advection", tmp_path)
    (tmp_path / "a.h5").write_bytes(b"PK not hdf5")
    with pytest.raises(UserError, match=r"a\.h5: not an HDF5 file; expected one of PDEBench"):
        read_solution("advection", tmp_path / "a.h5")


def test_unknown_task_and_sample(advection: Path, water: Path) -> None:
    with pytest.raises(UserError, match=r"unknown task 'advektion'.*Did you mean 'advection'\?"):
        read_solution("advektion", advection)
    with pytest.raises(UserError, match=r"got sample 4, expected at most 3: 'tensor' has 4 samples"):
        read_solution("advection", advection, 4)
    with pytest.raises(UserError, match=r"got sample 3, but there is no '0003' among its 3 samples"):
        read_solution("shallow_water", water, 3)
    for sample in (-1, True, 1.0, "0"):
        with pytest.raises(UserError, match=f"sample: got {sample!r}, expected a whole number, at least 0"):
            read_solution("advection", advection, sample)


def test_the_file_of_another_task(advection: Path, water: Path) -> None:
    with pytest.raises(UserError, match=r"no 'density' in '/', expected a dataset; there is t-coordinate, tensor"):
        read_solution("compressible_flow", advection)
    with pytest.raises(UserError, match=r"looks like a file of advection, expected one of"):
        read_solution("shallow_water", advection)
    with pytest.raises(UserError, match=r"'/0000/data' has the shape \(5, 6, 7, 1\), expected 3 axes \(T, X, fields\)"):
        read_solution("diffusion_sorption", water)
    with pytest.raises(UserError, match=r"'/0000/data' has 1 fields, expected 2 \(u, v\) for diffusion_reaction"):
        read_solution("diffusion_reaction", water)


def rename(file: h5py.File) -> None:
    file.move("tensor", "tensors")


def set_nan(file: h5py.File) -> None:
    file["tensor"][0, 1, :2] = np.nan


def turn(file: h5py.File) -> None:
    file["x-coordinate"][...] = np.arange(6.0)[::-1]


def replace(key: str, value: object) -> Callable[[h5py.File], None]:
    def mend(file: h5py.File) -> None:
        del file[key]
        file[key] = value

    return mend


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (rename, r"no 'tensor' in '/', .*Did you mean 'tensors'\?"),
        (set_nan, r"'/tensor' holds 2 values that are NaN or infinite"),
        (turn, r"'/x-coordinate' does not rise"),
        (replace("tensor", np.zeros((4, 5))), r"'/tensor' has the shape \(4, 5\), expected 3 axes \(N, T, X\)"),
        (replace("tensor", np.zeros((0, 5, 6))), r"got sample 0, expected at most -1"),
        (replace("t-coordinate", np.arange(4.0)), r"'/t-coordinate' has 4 points, expected 5, as the fields have"),
        (replace("x-coordinate", np.arange(7.0)), r"'/x-coordinate' has 7 points, expected 6"),
        (replace("x-coordinate", np.arange(12.0).reshape(6, 2)), r"has the shape \(6, 2\), expected 1 axes \(points\)"),
        (replace("x-coordinate", np.array([0, 1, 2, np.inf, 4, 5])), r"holds 1 values that are NaN or infinite"),
        (lambda file: replace("tensor", 1)(file), r"'/tensor' has the shape \(\)"),
    ],
)
def test_damage(advection: Path, damage: Callable[[h5py.File], None], message: str) -> None:
    with h5py.File(advection, "a") as file:
        damage(file)
    with pytest.raises(UserError, match=message) as caught:
        read_solution("advection", advection)
    assert not isinstance(caught.value, UnsafeDataError)


def test_a_group_where_a_dataset_should_be(advection: Path) -> None:
    with h5py.File(advection, "a") as file:
        del file["tensor"]
        file.create_group("tensor")
    with pytest.raises(UserError, match="'tensor' is a group, expected a dataset"):
        read_solution("advection", advection)


def elsewhere(path: Path) -> str:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones((4, 5, 6), "f4")
    return str(other)


def external_link(file: h5py.File, path: Path) -> None:
    file["tensor"] = h5py.ExternalLink(elsewhere(path), "/secret")


def dangling_link(file: h5py.File, path: Path) -> None:
    file["tensor"] = h5py.ExternalLink("/dev/nowhere.h5", "/secret")


def soft_link(file: h5py.File, path: Path) -> None:
    file["target"] = h5py.ExternalLink(elsewhere(path), "/secret")
    file["tensor"] = h5py.SoftLink("/target")


def virtual(file: h5py.File, path: Path) -> None:
    layout = h5py.VirtualLayout((4, 5, 6), "f4")
    layout[...] = h5py.VirtualSource(elsewhere(path), "secret", (4, 5, 6))
    file.create_virtual_dataset("tensor", layout)


def external_storage(file: h5py.File, path: Path) -> None:
    secret = path.with_name("secret.bin")
    secret.write_bytes(bytes(4 * 5 * 6 * 4))
    file.create_dataset("tensor", (4, 5, 6), "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def references(file: h5py.File, path: Path) -> None:
    data = file.create_dataset("tensor", (4, 5, 6), h5py.ref_dtype)
    data[...] = file["x-coordinate"].ref


def strings(file: h5py.File, path: Path) -> None:
    file.create_dataset("tensor", (4, 5, 6), h5py.string_dtype())


def complex_numbers(file: h5py.File, path: Path) -> None:
    file["tensor"] = np.ones((4, 5, 6), complex)


def plugin(file: h5py.File, path: Path) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((1, 5, 6))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)  # blosc, which is not there
    h5py.h5d.create(file.id, b"tensor", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4, 5, 6)), properties)


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        (external_link, "'tensor' is a soft or external link, which is not followed"),
        (dangling_link, "'tensor' is a soft or external link, which is not followed"),
        (soft_link, "'tensor' is a soft or external link, which is not followed"),
        (virtual, "'tensor' keeps its values in other files"),
        (external_storage, "'tensor' keeps its values in other files"),
        (references, "'tensor' holds object, expected plain numbers"),
        (strings, "'tensor' holds object, expected plain numbers"),
        (complex_numbers, "'tensor' holds complex128, expected plain numbers"),
        (plugin, "'tensor' is packed by filter 32001, which needs a plugin"),
    ],
)
def test_what_leads_out_of_the_file_or_is_no_number(
    advection: Path, attack: Callable[[h5py.File, Path], None], message: str
) -> None:
    with h5py.File(advection, "a") as file:
        del file["tensor"]
        attack(file, advection)
    with pytest.raises(UnsafeDataError, match=message):
        read_solution("advection", advection)


def test_links_in_place_of_groups_and_axes(water: Path) -> None:
    with h5py.File(water, "a") as file:
        del file["0001/grid"]
        file["0001/grid"] = h5py.ExternalLink(str(water), "/0000/grid")
        del file["0002"]
        file["0002"] = h5py.ExternalLink(str(water), "/0000")
    with pytest.raises(UnsafeDataError, match="'grid/t' is a soft or external link"):
        read_solution("shallow_water", water, 1)
    with pytest.raises(UnsafeDataError, match="'0002' is a soft or external link"):
        read_solution("shallow_water", water, 2)


def test_bombs(advection: Path) -> None:
    with h5py.File(advection, "a") as file:
        del file["tensor"]
        file.create_dataset("tensor", (1, 100_000, 100_000), "f4", chunks=(1, 10, 10))  # a few bytes of file
    with pytest.raises(UserError, match="10000000000 values a sample, expected at most"):
        read_solution("advection", advection)
    with h5py.File(advection, "a") as file:
        del file["tensor"]
        file.create_dataset("tensor", (400_000_000, 1, 1), "f4", chunks=(400_000_000, 1, 1), compression="gzip")
    with pytest.raises(UserError, match=r"stored in chunks of \(400000000, 1, 1\), expected at most"):
        read_solution("advection", advection)
    with h5py.File(advection, "a") as file:
        del file["tensor"]
        file.create_dataset("tensor", (1, 10_000, 10_000), "f4", chunks=(1, 100, 100))
    with pytest.raises(UserError, match="unpacks from 0 bytes to 400000000"):
        read_solution("advection", advection)


@pytest.mark.parametrize("value", ["0.2", b"0.2", np.array([0.2]), np.array(["0.2"], dtype=object), np.float32(0.2)])
def test_parameters_that_are_numbers_in_another_form_are_read(advection: Path, value: object) -> None:
    with h5py.File(advection, "a") as file:
        file.attrs["beta"] = value
    assert read_solution("advection", advection).parameters == {"beta": pytest.approx(0.2)}


@pytest.mark.parametrize("value", ["unknown", "inf", np.ones(3), np.nan, 1j, h5py.Empty("f8")])
def test_parameters_that_are_no_numbers_are_left_out(advection: Path, value: object) -> None:
    with h5py.File(advection, "a") as file:
        file.attrs["beta"] = value
    assert read_solution("advection", advection).parameters == {}


def test_a_config_is_read_by_line() -> None:
    assert number_in_config("sim:\n  k: 1\n  k_f: 2e-3\n", "k_f") == 2e-3
    assert number_in_config("sim:\n  k: '5E-3'\n", "k") == 5e-3
    assert number_in_config("sim:\n  k: &a [*a]\n", "k") is None
    assert number_in_config("sim:\n  k: 1e999\n", "k") is None
    assert number_in_config("sim:\n  k: 1-e\n", "k") is None
    assert number_in_config(" " * 100_001, "k") is None
    assert number_in_config(None, "k") is None


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flipped_bytes_end_in_user_errors_or_numbers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "w.h5"
    grouped(path, 1, 2)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content)
    try:
        solution = read_solution("shallow_water", path)
    except UserError:
        return
    assert np.isfinite(solution.values).all()


def test_without_h5py(advection: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "h5py":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=re.escape("pip install .[pinn]")):
        read_solution("advection", advection)
