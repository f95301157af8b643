"""Errors in parts: small arrays by hand, and sums over atoms one by one."""

from __future__ import annotations

import csv
import dataclasses
import math
from contextlib import closing

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from ocp_dc.data.prepare import prepare
from ocp_dc.data.structures import open_structures
from ocp_dc.evaluation import breakdown
from ocp_dc.evaluation.breakdown_plots import config_type_figure, element_figure, force_figure, trajectory_figure
from ocp_dc.evaluation.evaluate import evaluate_structures
from ocp_dc.evaluation.predictions import Predictions
from ocp_dc.evaluation.saved_predictions import load_predictions

from tests.helpers.harmonic_predictor import Harmonic, clusters


@pytest.fixture
def parts(hand):
    """The two structures by hand: H, and OC with a fixed C."""
    return dataclasses.replace(hand, numbers=np.array([1, 8, 6]), config_types=["atom", "pair"])


@pytest.fixture
def made():
    """Fifty structures of two to five atoms with random errors; some atoms are fixed."""
    rng = np.random.default_rng(3)
    natoms = rng.integers(2, 6, 50)
    atoms = natoms.sum()
    forces = rng.normal(size=(atoms, 3)) * rng.uniform(0.01, 3, (atoms, 1))
    return Predictions(
        energy_true=rng.normal(size=50),
        energy_pred=rng.normal(size=50),
        forces_true=forces,
        forces_pred=forces + rng.normal(0, 0.2, (atoms, 3)),
        natoms=natoms,
        free=rng.random(atoms) < 0.8,
        ids=[f"{number // 10}_{99 - number}" for number in range(50)],
        numbers=rng.choice([1, 8, 26], atoms),
        config_types=[("bulk", "slab", "")[number % 3] for number in range(50)],
    )


def test_errors_by_element_by_hand(parts):
    rows = breakdown.errors_by_element(parts)
    assert [(row["element"], row["free_atoms"]) for row in rows] == [("H", 1), ("O", 1)]  # C is fixed
    assert [row["forces_mae [eV/Å]"] for row in rows] == pytest.approx([0.01, 0.2])
    assert [row["forces_rmse [eV/Å]"] for row in rows] == pytest.approx([0.03 / math.sqrt(3), 0.6 / math.sqrt(3)])
    assert [row["forces_rms [eV/Å]"] for row in rows] == pytest.approx([0, 5 / math.sqrt(3)])


def test_errors_by_element_atom_by_atom(made):
    found = {row["element"]: row for row in breakdown.errors_by_element(made)}
    for name, number in (("H", 1), ("O", 8), ("Fe", 26)):
        errors = [
            abs(made.forces_pred[atom, axis] - made.forces_true[atom, axis])
            for atom in range(len(made.free))
            for axis in range(3)
            if made.free[atom] and made.numbers[atom] == number
        ]
        assert found[name]["free_atoms"] == len(errors) / 3
        assert found[name]["forces_mae [eV/Å]"] == pytest.approx(sum(errors) / len(errors))


def test_errors_by_config_type_by_hand(parts):
    atom, pair = breakdown.errors_by_config_type(parts)
    assert (atom["config_type"], atom["n_structures"], pair["config_type"]) == ("atom", 1, "pair")
    assert atom["energy_mae [eV]"] == pytest.approx(0.02)
    assert (pair["energy_mae [eV]"], pair["energy_per_atom_mae [eV]"]) == pytest.approx((0.5, 0.25))
    assert (atom["forces_mae [eV/Å]"], pair["forces_mae [eV/Å]"]) == pytest.approx((0.01, 0.2))
    nothing_free = dataclasses.replace(parts, free=np.array([True, False, False]))
    assert math.isnan(breakdown.errors_by_config_type(nothing_free)[1]["forces_mae [eV/Å]"])


def test_structures_without_a_kind_are_one_kind(made):
    rows = breakdown.errors_by_config_type(made)
    assert [(row["config_type"], row["n_structures"]) for row in rows] == [("(none)", 16), ("bulk", 17), ("slab", 17)]
    expected = np.mean(np.abs(made.energy_pred - made.energy_true)[1::3])
    assert rows[2]["energy_mae [eV]"] == pytest.approx(expected)


def test_errors_by_force_in_ranges(made):
    rows = breakdown.errors_by_force(made)
    lengths = np.sqrt((made.forces_true[made.free] ** 2).sum(axis=1))
    errors = np.sqrt(((made.forces_pred - made.forces_true)[made.free] ** 2).sum(axis=1))
    counts = [row["free_atoms"] for row in rows]
    assert sum(counts) == len(lengths)
    assert len(rows) == len(lengths) // 10
    assert max(counts) - min(counts) <= 1
    for row in rows:
        inside = (lengths >= row["from [eV/Å]"]) & (lengths <= row["to [eV/Å]"])
        assert inside.sum() == row["free_atoms"]
        assert row["error_mean [eV/Å]"] == pytest.approx(errors[inside].mean())
        ratio = math.sqrt((errors[inside] ** 2).sum() / (lengths[inside] ** 2).sum())
        assert row["relative_error"] == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("ids", "trajectory", "frame"),
    [
        (["0", "1", "2"], [0, 0, 0], [0, 1, 2]),  # a file in order
        (["7_0", "3_0", "5_0"], [0, 0, 0], [3, 5, 7]),  # split at random: the places in the source
        (["1_2", "0_5", "1_1"], [0, 1, 1], [5, 1, 2]),
        (["one", "2_2", "x"], [0, 0, 0], [0, 1, 2]),
    ],
)
def test_the_order_of_frames(hand, ids, trajectory, frame):
    found = breakdown.sequences(ids)
    assert found.trajectory[found.order].tolist() == trajectory
    assert found.frame[found.order].tolist() == frame


def test_errors_along_a_trajectory_by_hand(hand):
    rows = breakdown.errors_along_trajectory(dataclasses.replace(hand, ids=["4_9", "4_3"]))
    assert [(row["trajectory"], row["frame"]) for row in rows] == [(4, 3), (4, 9)]
    assert [row["energy_per_atom_error [eV]"] for row in rows] == pytest.approx([-0.25, 0.02])
    assert [row["forces_mae [eV/Å]"] for row in rows] == pytest.approx([0.2, 0.01])


def test_without_labels_or_elements_there_are_no_parts(hand):
    assert breakdown.errors_by_element(hand) == []
    assert breakdown.errors_by_config_type(hand) == []
    missing = dataclasses.replace(
        hand, energy_true=np.full(2, np.nan), forces_true=np.full((3, 3), np.nan), numbers=np.array([1, 8, 6])
    )
    assert breakdown.errors_by_element(missing) == []
    assert breakdown.errors_by_force(missing) == []
    assert breakdown.errors_along_trajectory(missing) == []


@pytest.mark.parametrize("picture", [element_figure, config_type_figure, force_figure, trajectory_figure])
@pytest.mark.parametrize("change", ["none", "diverged", "perfect", "nothing free", "one structure", "thousands"])
def test_pictures_of_any_predictions(made, picture, change):
    if change == "diverged":
        pred = made.forces_pred.copy()
        pred[::2] = np.inf
        made = dataclasses.replace(made, forces_pred=pred, energy_pred=np.full(50, np.nan))
    elif change == "perfect":
        made = dataclasses.replace(made, forces_pred=made.forces_true, energy_pred=made.energy_true)
    elif change == "nothing free":
        made = dataclasses.replace(made, free=np.zeros(len(made.free), dtype=bool))
    elif change == "one structure":
        made = Predictions([1], [2], [[1, 0, 0]], [[2, 0, 0]], [1], np.array([True]), ["a"], numbers=[1])
    elif change == "thousands":
        names = ("energy_true", "energy_pred", "forces_true", "forces_pred", "natoms", "free", "numbers")
        many = {name: np.concatenate([getattr(made, name)] * 40) for name in names}
        made = Predictions(**many, ids=[f"{i // 2}_{i}" for i in range(2000)], config_types=made.config_types * 40)
    figure = picture(made, "some_$title")
    if figure is not None:
        figure.draw_without_rendering()  # warnings are errors


def test_the_bars_are_the_table(made):
    bars = element_figure(made).axes[0]
    expected = sorted((1e3 * row["forces_mae [eV/Å]"] for row in breakdown.errors_by_element(made)), reverse=True)
    assert [bar.get_width() for bar in bars.patches] == pytest.approx(expected)


@pytest.mark.parametrize("suffix", ["xyz", "traj", "aselmdb"])
def test_kinds_of_structures_in_a_file(tmp_path, suffix):
    frames = clusters(12)
    for index, atoms in enumerate(frames):
        found = Harmonic(3.0).predict([atoms])
        atoms.calc = SinglePointCalculator(atoms, energy=found["energy"][0], forces=found["forces"])
        if index % 4:
            atoms.info["config_type"] = ("bulk", "surface")[index % 2]
    path = tmp_path / f"in.{'traj' if suffix == 'aselmdb' else suffix}"
    write(path, frames)
    if suffix == "aselmdb":
        prepare(path, tmp_path / "data", format="ase", to="aselmdb", train=6, val=3, test=3, progress=False)
        path = tmp_path / "data" / "train"
    evaluation = evaluate_structures(Harmonic(2.0), path, tmp_path / "out", progress=False)
    loaded = load_predictions(tmp_path / "out" / "predictions.npz")
    assert loaded.config_types == evaluation.predictions.config_types
    with (tmp_path / "out" / "errors_by_config_type.csv").open(encoding="utf-8") as file:
        rows = {row["config_type"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"(none)", "bulk", "surface"}
    kinds: dict[str, list[float]] = {}
    with closing(open_structures(path)) as structures:
        for frame in (structures[index] for index in range(len(structures))):
            kinds.setdefault(frame.config_type or "(none)", []).append(
                abs(frame.energy - 2 * (frame.positions**2).sum())
            )
    assert {name: float(row["energy_mae [eV]"]) for name, row in rows.items()} == pytest.approx(
        {name: np.mean(values) for name, values in kinds.items()}
    )
    assert (tmp_path / "out" / "errors_by_config_type.png").is_file()
