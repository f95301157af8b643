from __future__ import annotations

import dataclasses
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.saved_predictions import FIELDS, load_predictions, save_predictions

LABELS, ANY = st.floats(allow_nan=False, allow_infinity=False), st.floats()
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    natoms = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    structures, atoms = len(natoms), sum(natoms)
    return Predictions(
        energy_true=draw(arrays(float, structures, elements=LABELS)),
        energy_pred=draw(arrays(float, structures, elements=ANY)),
        forces_true=draw(arrays(float, (atoms, 3), elements=LABELS)),
        forces_pred=draw(arrays(float, (atoms, 3), elements=ANY)),
        natoms=np.array(natoms),
        free=draw(arrays(bool, atoms)),
        ids=draw(st.lists(NAMES, min_size=structures, max_size=structures)),
    )


def assert_same(one: Predictions, two: Predictions) -> None:
    assert one.ids == two.ids
    for name in set(FIELDS) - {"ids"}:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), strict=True)


@settings(deadline=None, max_examples=50)
@given(predictions())
def test_round_trip(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "predictions.npz"
    save_predictions(written, path)
    assert_same(load_predictions(path), written)


def test_makes_the_folder_and_keeps_the_name(hand, tmp_path):
    path = tmp_path / "new" / "predictions"  # without numpy's .npz
    save_predictions(hand, path)
    save_predictions(dataclasses.replace(hand, ids=["three", "four"]), path)
    assert load_predictions(path).ids == ["three", "four"]
    assert list(path.parent.iterdir()) == [path]


def saved(path, hand, **changes):
    np.savez(path, **{**{name: np.asarray(getattr(hand, name)) for name in FIELDS}, **changes})
    return path


def test_objects_are_refused(hand, tmp_path):
    path = saved(tmp_path / "p.npz", hand, ids=np.array(["one", None], dtype=object))
    with pytest.raises(UnsafeDataError, match="'ids' holds Python objects"):
        load_predictions(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"natoms": np.array([2, 2])}, r"p\.npz: forces_true: got shape \(3, 3\), expected \(4, 3\)"),
        ({"ids": np.array([1, 2])}, r"p\.npz: ids: got shape \(2,\) of int64, expected a 1D array of names"),
        ({"ids": np.array([["one", "two"]])}, r"p\.npz: ids: got shape \(1, 2\)"),
        ({"energy_true": np.array([np.nan, 0.0])}, r"p\.npz: energy_true: got NaN"),
    ],
)
def test_what_does_not_fit_is_refused(hand, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        load_predictions(saved(tmp_path / "p.npz", hand, **changes))


def test_other_files_are_refused(hand, tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_predictions(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", energy=np.zeros(2))
    with pytest.raises(UserError, match=r"no energy_true, .*; the file has energy"):
        load_predictions(tmp_path / "p.npz")
    save_predictions(hand, tmp_path / "p.npz")
    whole = (tmp_path / "p.npz").read_bytes()
    (tmp_path / "p.npz").write_bytes(whole[: len(whole) // 2])
    assert not zipfile.is_zipfile(tmp_path / "p.npz")
    with pytest.raises(UserError, match="cut short"):
        load_predictions(tmp_path / "p.npz")
