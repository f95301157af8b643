from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelOptions, Labels, fit, needs_data
from ocp_dc.testing.tolerances import ROUNDING, assert_close

WATER, METHANE, HYDROGEN = [8, 1, 1], [6, 1, 1, 1, 1], [1, 1]


def sample(numbers: list[int], energy: float, forces: object = 0.5) -> Labels:
    return np.array(numbers), energy, np.broadcast_to(np.asarray(forces, dtype=float), (len(numbers), 3))


def full_pinv(labels: list[Labels]) -> torch.Tensor:
    """The reference: the pseudo-inverse of the system with one row a structure and one column a Z."""
    size = 1 + max(int(numbers.max()) for numbers, _, _ in labels)
    rows = np.array([np.bincount(numbers, minlength=size) for numbers, _, _ in labels], dtype=float)
    return torch.from_numpy(np.linalg.pinv(rows) @ np.array([energy for _, energy, _ in labels]))


def assert_references(fitted: torch.Tensor | None, labels: list[Labels]) -> None:
    expected = full_pinv(labels)
    assert fitted is not None
    seen = torch.zeros(len(expected), dtype=torch.bool)
    seen[[int(z) for numbers, _, _ in labels for z in numbers]] = True
    assert torch.equal(~fitted.isnan(), seen)
    relative, _ = ROUNDING[torch.float64]
    torch.testing.assert_close(
        fitted[seen], expected[seen], rtol=relative, atol=relative * float(expected.abs().max() + 1)
    )


def test_mean_by_hand() -> None:
    rescaling = fit(LabelOptions("mean", 2.0), [sample(WATER, -10.0), sample(HYDROGEN, -1.0), sample(WATER, -13.0)])
    assert (rescaling.mean, rescaling.scale, rescaling.references) == (-8.0, 2.0, None)


def test_the_mean_keeps_small_differences_on_a_large_offset() -> None:
    offset, step = -(2.0**12), 2.0**-40  # -4096 eV, where a float64 has this step; a sum of 1000 of them has not
    energies = [offset + value * step for value in [0, 1, 2, 5] * 250]
    rescaling = fit(LabelOptions("mean"), [sample(HYDROGEN, energy) for energy in energies])
    assert rescaling.mean == offset + 2 * step


def test_forces_rms_by_hand() -> None:
    labels = [
        sample(HYDROGEN, 0.0, [[3.0, 0.0, 0.0], [0.0, -4.0, 0.0]]),
        (np.array(WATER), 0.0, np.array([[0.0, 0.0, 5.0]])),  # its other atoms are fixed
    ]
    rescaling = fit(LabelOptions("none", "forces_rms"), labels)
    assert rescaling.scale == pytest.approx(math.sqrt((9 + 16 + 25) / 9), rel=ROUNDING[torch.float64][0])
    assert (rescaling.mean, rescaling.references) == (0.0, None)
    part = fit(LabelOptions("none", "0.04 forces_rms"), labels)
    assert part.scale == pytest.approx(0.04 * math.sqrt((9 + 16 + 25) / 9), rel=ROUNDING[torch.float64][0])


def test_forces_rms_of_float32_forces_is_in_float64() -> None:
    forces = np.full((2, 3), 1e-30, dtype=np.float32)  # the square vanishes in float32
    rescaling = fit(LabelOptions(scale="forces_rms"), [(np.array(HYDROGEN), 0.0, forces)])
    assert rescaling.scale == pytest.approx(1e-30, rel=ROUNDING[torch.float32][0])


def test_composition_by_hand() -> None:
    labels = [sample(HYDROGEN, -6.0), sample(WATER, -16.0), sample(WATER, -18.0)]
    rescaling = fit(LabelOptions("composition"), labels)
    references = rescaling.references
    assert references is not None
    assert_close(references[[1, 8]], torch.tensor([-3.0, -11.0], dtype=torch.float64))
    assert references.dtype == torch.float64
    assert references.isnan().sum() == 7
    assert rescaling.mean == 0.0


@pytest.mark.parametrize(
    "structures",
    [
        [(HYDROGEN, -31.7), (WATER, -2080.3), (METHANE, -1102.1), (METHANE, -1101.9)],
        [(WATER, -2080.3)] * 3,  # one composition: the minimum-norm share
        [(WATER, -2080.3), (WATER * 2, -4161.0), (WATER * 2, -4160.0)],  # two proportional ones
        [(METHANE, -1102.1), (WATER, -2080.3), (METHANE + WATER, -3182.9)],  # two of three are independent
        [([79], -500.0), ([79, 79], -1000.4), ([78, 79], -1100.0)],
        # least squares with counts that differ: a composition's weight is how often it stands there
        [(HYDROGEN, -31.0), (HYDROGEN, -33.0), (HYDROGEN * 2, -60.0), (HYDROGEN * 2, -61.0), (HYDROGEN * 3, -99.0)],
    ],
)
def test_composition_is_the_pseudo_inverse_of_the_full_system(structures: list[tuple[list[int], float]]) -> None:
    labels = [sample(numbers, energy) for numbers, energy in structures]
    assert_references(fit(LabelOptions("composition"), labels).references, labels)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.floats(-1e3, 1e3)), min_size=1, max_size=6
    )
)
def test_composition_of_any_data(structures: list[tuple[list[int], float]]) -> None:
    labels = [sample(numbers, energy) for numbers, energy in structures]
    assert_references(fit(LabelOptions("composition"), labels).references, labels)


def test_the_order_of_atoms_is_no_composition() -> None:
    labels = [sample([8, 1, 1], -1.0), sample([1, 8, 1], -2.0)]
    assert_references(fit(LabelOptions("composition"), labels).references, labels)


def test_composition_and_forces_rms_together() -> None:
    rescaling = fit(LabelOptions("composition", "forces_rms"), [sample([3], -4209.4, 0.25)])
    assert rescaling.scale == 0.25
    assert_close(rescaling.center(torch.tensor([3, 3])), torch.tensor([-8418.8], dtype=torch.float64))


@pytest.mark.parametrize("center", ["none", "mean", "composition"])
def test_labels_stream_once(center: str) -> None:
    drawn = []

    def stream() -> Iterator[Labels]:
        for i in range(5):
            drawn.append(i)
            yield sample(WATER, float(i))

    fit(LabelOptions(center, "forces_rms"), stream())
    assert drawn == [0, 1, 2, 3, 4]


def test_nothing_to_fit_draws_no_label() -> None:
    def stream() -> Iterator[Labels]:
        raise AssertionError("the labels were read")
        yield sample(WATER, 0.0)

    options = LabelOptions("none", "1e6 kcal/mol")
    assert not needs_data(options)
    assert fit(options, stream()).scale == options.fixed_scale()


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        (LabelOptions(), False),
        (LabelOptions("none", "2 eV"), False),
        (LabelOptions("mean"), True),
        (LabelOptions("composition"), True),
        (LabelOptions("none", "forces_rms"), True),
    ],
)
def test_needs_data(options: LabelOptions, needed: bool) -> None:
    assert needs_data(options) == needed


@pytest.mark.parametrize(
    "options", [LabelOptions("mean"), LabelOptions("composition"), LabelOptions("none", "forces_rms")]
)
def test_an_empty_training_set(options: LabelOptions) -> None:
    with pytest.raises(UserError, match="the training set is empty"):
        fit(options, [])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("center", ["mean", "composition"])
def test_a_label_that_is_not_finite_is_named(bad: float, center: str) -> None:
    good = sample(WATER, -1.0)
    for label in (sample(WATER, bad), sample(WATER, -1.0, [0.0, 0.0, bad])):
        with pytest.raises(UserError, match="training sample 2 has a label that is not finite"):
            fit(LabelOptions(center), [good, good, label])


@pytest.mark.parametrize(
    ("forces", "message"),
    [(np.zeros((3, 3)), "is 0 because every force"), (np.zeros((0, 3)), "needs forces on free atoms")],
)
def test_forces_that_all_vanish_give_no_scale(forces: np.ndarray, message: str) -> None:
    labels = [(np.array(WATER), -1.0, forces)]
    with pytest.raises(UserError, match=rf"label_rescaling\.scale: forces_rms {message}.* give a number"):
        fit(LabelOptions(scale="forces_rms"), labels)
    assert fit(LabelOptions("mean", 3.0), labels).scale == 3.0
