"""The values that a key may take."""

from __future__ import annotations

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.study.search.space import Choice, Range, read_space, start_of, values_at

CONFIG = {
    "optim": {"lr_initial": 1.0e-3, "batch_size": 20, "ema": None},
    "loss_functions": [{"energy": {"coefficient": 1}}, {"forces": {"coefficient": 30}}],
    "model": {"dc": {"activation": {"name": "irelu", "coefficient": 0.25}}},
}


def only(values):
    return read_space({"a.b": values}, "space")["a.b"]


def test_values_of_a_range_are_readable_and_inside():
    values = only({"low": 3.0e-4, "high": 5.0e-3, "log": True})
    assert values == Range(3.0e-4, 5.0e-3, True, None)
    assert values.value(0.00123456789) == 0.001235
    assert only({"low": 0.12352, "high": 2}).value(0.123521) == 0.12352  # rounded to 0.1235, it would be outside
    assert values.extremes() == [3.0e-4, 5.0e-3]


def test_a_step_makes_whole_numbers_of_whole_numbers():
    values = only({"low": 32, "high": 128, "step": 32})
    assert [type(values.value(64.0)), values.value(64.0)] == [int, 64]
    assert [values.chosen(each) for each in (64, 65, 256, 64.0)] == [64, None, None, None]
    assert not only({"low": 0.5, "high": 2, "step": 0.5}).is_whole


def test_a_value_that_is_written_otherwise_is_the_same():
    assert only([10.0, 50.0]).chosen(50) == "50.0"
    assert only([{"name": "irelu", "coefficient": 0.25}, "mish"]).chosen({"coefficient": 0.25, "name": "irelu"}) == (
        "{name: irelu, coefficient: 0.25}"
    )
    assert only([1, 2]).chosen(True) is None
    assert only([1, 2]).chosen(3) is None
    steps = only({"low": 0.5, "high": 2, "step": 0.5})
    assert [steps.chosen(value) for value in (1, 1.5, 1.25)] == [1.0, 1.5, None]
    assert only({"low": 0.1, "high": 0.9, "step": 0.1}).chosen(0.7) == 0.7  # 0.7 - 0.1 is no multiple of 0.1, in binary


def test_a_choice_may_have_blocks():
    values = only([{"name": "irelu", "coefficient": 0.25}, "mish", None])
    assert isinstance(values, Choice)
    assert values.names == ["{name: irelu, coefficient: 0.25}", "mish", "None"]
    assert [values.value(name) for name in values.names] == list(values.values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("mish", "expected a list of values, or a range"),
        ([5], "expected a list of values"),
        ([5, 5], "expected different values"),
        ({"low": 1}, "expected low and high"),
        ({"low": "1e-3", "high": 1.0}, "1.0e-3"),
        ({"low": 2, "high": 1}, "expected low below high"),
        ({"low": 0, "high": 1, "log": True}, "logarithmic"),
        ({"low": 1, "high": 8, "log": True, "step": 2}, "logarithmic"),
        ({"low": 1, "hihg": 2}, "'hihg'"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(UserError, match=message) as error:
        only(values)
    assert "space.a.b" in str(error.value)


def test_the_values_of_a_config():
    assert list(values_at(CONFIG, ["loss_functions", "forces", "coefficient"])) == [30]
    assert list(values_at(CONFIG, ["loss_functions", "1", "forces", "coefficient"])) == [30]
    assert list(values_at(CONFIG, ["optim", "ema"])) == [None]
    assert list(values_at(CONFIG, ["optim", "missing"])) == []


def test_a_search_starts_with_the_values_of_the_config_that_lie_in_the_space():
    space = read_space(
        {
            "optim.lr_initial": {"low": 3.0e-4, "high": 5.0e-3},
            "optim.batch_size": [5, 10],
            "optim.ema": [None, 0.99],
            "optim.missing": [1, 2],
            "loss_functions.forces.coefficient": {"low": 50.0, "high": 300.0},
            "model.dc.activation": ["mish", {"name": "irelu", "coefficient": 0.25}],
        },
        "space",
    )
    start = {"optim.lr_initial": 1.0e-3, "optim.ema": "None", "model.dc.activation": "{name: irelu, coefficient: 0.25}"}
    assert start_of(space, CONFIG) == start
