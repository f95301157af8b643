from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ocp_dc.core.errors import UserError
from ocp_dc.pinn.data import read_solution, write_solution
from ocp_dc.pinn.data.layouts import FILE_LAYOUTS
from ocp_dc.pinn.physics.solution import Solution

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def axis(length: int) -> st.SearchStrategy[np.ndarray]:
    numbers = st.lists(st.integers(-(2**20), 2**20), min_size=length, max_size=length, unique=True)
    return numbers.map(lambda values: np.array(sorted(values), dtype=float) / 8)


@st.composite
def several_solutions(draw: st.DrawFn) -> list[Solution]:
    layout = draw(st.sampled_from(list(FILE_LAYOUTS.values())))
    lengths = [draw(st.integers(2, 5)) for _ in layout.axes]
    axes = {name: draw(axis(length)) for name, length in zip(layout.axes, lengths, strict=True)}
    parameters = {name: draw(st.floats(-1e10, 1e10)) for name in layout.parameters if draw(st.booleans())}
    values = hnp.arrays(np.float32, tuple(lengths), elements=FLOATS)
    return [
        Solution(layout.task, axes, {name: draw(values).astype(float) for name in layout.fields}, parameters)
        for _ in range(draw(st.integers(1, 3)))
    ]


@settings(max_examples=60, deadline=None)
@given(solutions=several_solutions())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, solutions: list[Solution]) -> None:
    path = tmp_path_factory.mktemp("written") / "deep" / "a.h5"
    write_solution(path, solutions)
    for number, expected in enumerate(solutions):
        got = read_solution(expected.task, path, number)
        assert (got.task, dict(got.parameters)) == (expected.task, dict(expected.parameters))
        for ours, theirs in ((got.axes, expected.axes), (got.fields, expected.fields)):
            assert list(ours) == list(theirs)
            for name in ours:
                np.testing.assert_array_equal(ours[name], theirs[name])
    with pytest.raises(UserError, match=f"got sample {len(solutions)}"):
        read_solution(solutions[0].task, path, len(solutions))


def advection() -> Solution:
    return Solution("advection", {"t": np.arange(3.0), "x": np.arange(4.0)}, {"u": np.ones((3, 4))}, {"beta": 0.1})


def test_the_layout_is_the_genuine_one(tmp_path: Path) -> None:
    write_solution(tmp_path / "a.hdf5", advection())
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert sorted(file) == ["t-coordinate", "tensor", "x-coordinate"]
        assert file["tensor"].shape == (1, 3, 4)
        assert file["tensor"].dtype == np.float32
        assert file["t-coordinate"][()].tolist() == [0.0, 1.0, 2.0, 3.0]  # one more than instants
        assert file.attrs["beta"] == 0.1
        assert file.attrs["source"].startswith("ocp_dc ")
    axes = {"t": np.arange(3.0), "x": np.arange(4.0), "y": np.arange(5.0)}
    fields = {name: np.ones((3, 4, 5)) for name in "uv"}
    write_solution(tmp_path / "b.h5", Solution("diffusion_reaction", axes, fields, {"Du": 1e-3}))
    with h5py.File(tmp_path / "b.h5") as file:
        assert sorted(file["0000/grid"]) == ["t", "x", "y"]
        assert file["0000/data"].shape == (3, 4, 5, 2)
        assert file["0000"].attrs["config"] == "sim:\n  Du: 0.001\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "burgers"}, "unknown task 'burgers'"),
        ({"fields": {"v": np.ones((3, 4))}}, "got task, axes and fields"),
        ({"axes": {"x": np.arange(4.0), "t": np.arange(3.0)}}, "got task, axes and fields"),
        ({"fields": {"u": np.ones((4, 3))}}, r"field 'u' has the shape \(4, 3\), expected \(3, 4\)"),
        ({"fields": {"u": np.full((3, 4), np.nan)}}, "field 'u' holds NaN, infinities or values beyond float32"),
        ({"fields": {"u": np.full((3, 4), 1e39)}}, "values beyond float32"),
        ({"axes": {"t": 1 + 1e-9 * np.arange(3), "x": np.arange(4.0)}}, "axis 't' does not rise in float32"),
        ({"parameters": {"eta": 1.0}}, r"got parameters \['eta'\], expected some of beta"),
    ],
)
def test_what_is_not_written(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "a.hdf5"
    path.write_text("older")
    with pytest.raises(UserError, match=message):
        write_solution(path, dataclasses.replace(advection(), **change))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_samples_that_do_not_go_together(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    path.write_text("older")
    with pytest.raises(UserError, match="no solutions to write"):
        write_solution(path, [])
    with pytest.raises(UserError, match="different axes or parameters"):
        write_solution(path, [advection(), dataclasses.replace(advection(), parameters={"beta": 0.2})])
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]
