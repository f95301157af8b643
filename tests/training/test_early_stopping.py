"""Early stopping."""

from __future__ import annotations

import math

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.training.early_stopping import EarlyStopping
from ocp_dc.training.state import TrainingState


def stops_after(values: list[float], stopping: EarlyStopping, metric: str = "loss") -> int | None:
    """Return the number of validations after which the run ends."""
    for count, value in enumerate(values, start=1):
        stopping.validation(TrainingState(primary_metric=metric), {metric: value})
        if stopping.stops:
            return count
    return None


def test_it_counts_validations_without_an_improvement() -> None:
    assert stops_after([3, 2, 2.5, 2, 1, 4, 5], EarlyStopping(2)) == 4
    assert stops_after([3, 2, 2.5, 1, 2, 2], EarlyStopping(2)) == 6
    assert stops_after([3] * 50, EarlyStopping()) is None


def test_a_small_improvement_does_not_count() -> None:
    assert stops_after([3, 2.95, 2.9, 2.85], EarlyStopping(2, min_delta=0.1)) == 3
    assert stops_after([3, 2.95, 2.85, 2.7], EarlyStopping(2, min_delta=0.1)) is None


def test_higher_may_be_better_and_nan_never_is() -> None:
    assert stops_after([0.1, 0.2, 0.3], EarlyStopping(1), "forces_cosine_similarity") is None
    assert stops_after([math.nan, 2, math.nan], EarlyStopping(2)) is None
    assert stops_after([math.nan, math.nan], EarlyStopping(2)) == 2


def test_the_count_is_saved() -> None:
    first, second = EarlyStopping(2), EarlyStopping(2)
    assert stops_after([2, 3], first) is None
    second.load_state_dict(first.state_dict())
    assert stops_after([2], second) == 1


@pytest.mark.parametrize("arguments", [{"patience": 0}, {"patience": 1.5}, {"min_delta": -1}, {"min_delta": "0.1"}])
def test_values_are_checked(arguments: dict[str, object]) -> None:
    with pytest.raises(UserError, match=next(iter(arguments))):
        EarlyStopping(**arguments)


def test_nan_is_never_the_best_metric() -> None:
    state = TrainingState()
    assert not state.take_metric(math.nan)
    assert state.take_metric(3.0)
    assert not state.take_metric(math.nan)
    assert (state.best_metric, state.evaluations_since_best) == (3.0, 1)
