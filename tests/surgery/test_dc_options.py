from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.core.options import option
from ocp_dc.surgery import DCOptions

NAMES = [field.name for field in dataclasses.fields(DCOptions)]


@pytest.mark.parametrize(
    ("block", "activation", "region"),
    [
        (None, "original", "none"),
        ({}, "original", "none"),
        ({"region": "output"}, "irelu", "output"),
        ({"region": ["^act$"]}, "irelu", ["^act$"]),
        ({"region": "none"}, "original", "none"),
        ({"activation": "mish"}, "mish", "paper"),
        ({"activation": {"name": "irelu", "coefficient": 0.25}}, {"name": "irelu", "coefficient": 0.25}, "paper"),
        ({"activation": "original"}, "original", "none"),
        ({"activation": "original", "region": "full"}, "original", "full"),
        ({"activation": "mish", "region": "full"}, "mish", "full"),
        ({"elsewhere": "mish"}, "original", "none"),
    ],
)
def test_what_a_block_means(block: dict[str, Any] | None, activation: object, region: object) -> None:
    options = DCOptions.from_block(block)
    options.check()
    assert (options.resolved_activation, options.resolved_region) == (activation, region)


@pytest.mark.parametrize(
    ("block", "acceleration"),
    [
        (None, "off"),
        ({"activation": "original"}, "off"),
        ({"activation": "irelu"}, "auto"),
        ({"activation": "irelu", "accelerate": False}, "off"),  # YAML reads off as false
        ({"accelerate": "native"}, "native"),
    ],
)
def test_acceleration(block: dict[str, Any] | None, acceleration: str) -> None:
    assert DCOptions.from_block(block).resolved_acceleration == acceleration


@pytest.mark.parametrize(
    ("block", "swaps", "nothing"),
    [
        ({}, False, True),
        ({"region": "none"}, False, True),
        ({"activation": "original"}, False, True),
        ({"activation": "original", "region": "full"}, False, True),
        ({"denormalize": "all"}, False, False),
        ({"activation": "irelu"}, True, False),
        ({"region": "output"}, True, False),
        ({"elsewhere": "mish"}, True, False),
        ({"dropout": 0.0}, False, True),
        ({"dropout": 0.1}, False, False),
        ({"insert_norm": "batchnorm"}, False, False),
    ],
)
def test_what_a_block_asks_for(block: dict[str, Any], swaps: bool, nothing: bool) -> None:
    options = DCOptions.from_block(block)
    assert (options.has_swaps, options.is_noop) == (swaps, nothing)


@pytest.mark.parametrize("activation", ["irelu", {"name": "irelu"}])
def test_an_activation_without_a_place(activation: object) -> None:
    options = DCOptions.from_block({"activation": activation, "region": "none"})
    with pytest.raises(UserError, match="has nowhere to go with region 'none'; give region: paper"):
        options.check()


@pytest.mark.parametrize(
    ("block", "region"),
    [
        ({}, "none"),
        ({"dropout": 0.1}, "output"),
        ({"insert_norm": "batchnorm"}, "output"),
        ({"dropout": 0, "insert_norm": "batchnorm", "insert_region": "full"}, "full"),
        ({"dropout": 0.999, "insert_region": ["^act$"]}, ["^act$"]),
    ],
)
def test_where_something_is_inserted(block: dict[str, Any], region: object) -> None:
    options = DCOptions.from_block(block)
    options.check()
    assert options.resolved_insert_region == region
    assert (options.resolved_activation, options.resolved_region) == ("original", "none")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"insert_region": "output"}, r"insert_region: got 'output', and there is nothing to insert"),
        ({"insert_region": "full", "dropout": 0.0}, r"insert_region: got 'full', and there is nothing to insert"),
        ({"insert_region": "none", "dropout": 0.1}, r"insert_region: 'none' leaves dropout and insert_norm nowhere"),
    ],
)
def test_insertions_that_are_refused(block: dict[str, Any], message: str) -> None:
    options = DCOptions.from_block(block)
    with pytest.raises(UserError, match=rf"^dc\.{message}"):
        options.check()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"insert_norm": "batch_norm"}, r"^dc\.insert_norm: got 'batch_norm', .* Did you mean 'batchnorm'\?"),
        ({"insert_norm": "layernorm"}, r"^dc\.insert_norm: got 'layernorm', expected one of none, batchnorm"),
        ({"denormalize": "batch_norm"}, r"^dc\.denormalize: got 'batch_norm', .* Did you mean 'batchnorm'\?"),
        ({"denormalize": None}, r"^dc\.denormalize: got None, expected one of none, batchnorm, layernorm, all"),
        ({"denormalize": ["all"]}, r"^dc\.denormalize: got \['all'\], expected one of"),
        ({"dropout": 1.0}, r"^dc\.dropout: got 1\.0, expected a finite number, at least 0 and below 1"),
        ({"dropout": -0.1}, r"^dc\.dropout: got -0\.1, expected a finite number, at least 0"),
        ({"dropout": float("nan")}, r"^dc\.dropout: got nan, expected a finite number"),
        ({"dropout": True}, r"^dc\.dropout: got True, expected a finite number"),
        ({"dropout": False}, r"^dc\.dropout: got False, expected a finite number"),
        ({"dropout": None}, r"^dc\.dropout: got None, expected a finite number"),
        ({"dropout": "1e-1"}, r"^dc\.dropout: got '1e-1', .* write 1\.0e-3"),
        ({"activaton": "irelu"}, r"^dc: unknown key 'activaton'; .* Did you mean 'activation'\?"),
        ("irelu", r"^dc: got 'irelu', expected a block of options"),
    ],
)
def test_what_is_refused(block: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        DCOptions.from_block(block)


@dataclasses.dataclass(frozen=True)
class MoreOptions(DCOptions):
    """A key that one model has beside the common ones."""

    color: str = option("red", help="of the model", choices=("red", "blue"))


def test_keys_of_one_model() -> None:
    options = MoreOptions.from_block({"color": "blue"})
    assert isinstance(options, MoreOptions)
    assert (options.color, options.is_noop, options.is_stock, options.resolved_extras) == ("blue", True, True, ())
    with pytest.raises(UserError, match=r"^dc: unknown key 'colour'; .*\bcolor, .* Did you mean 'color'\?"):
        MoreOptions.from_block({"colour": "blue"})
    with pytest.raises(UserError, match=r"^dc\.color: got 'green', expected one of red, blue"):
        MoreOptions.from_block({"color": "green"})
    with pytest.raises(UserError, match="unknown key 'color'"):
        DCOptions.from_block({"color": "blue"})


def test_a_host_says_where_the_block_is() -> None:
    with pytest.raises(UserError, match=r"^host\.block\.dropout: got 1, "):
        DCOptions.from_block({"dropout": 1}, "host.block").check("host.block")
    with pytest.raises(UserError, match=r"^host\.block: unknown key 'x'"):
        DCOptions.from_block({"x": 1}, "host.block")


@settings(deadline=None)
@given(key=st.one_of(st.text(), st.integers(), st.none(), st.booleans()).filter(lambda key: key not in NAMES))
def test_every_unknown_key_is_refused_by_name(key: object) -> None:
    with pytest.raises(UserError) as error:
        DCOptions.from_block({"activation": "irelu", key: "irelu"})  # type: ignore[dict-item]
    message = str(error.value)
    assert f"unknown key {key!r}" in message
    assert all(name in message for name in NAMES)
