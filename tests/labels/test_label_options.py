from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelOptions
from ocp_dc.testing.tolerances import ROUNDING

# From the definitions: calorie 4.184 J, and CODATA's values of Avogadro's number and the elementary charge.
KCAL_PER_MOL = 4184 / 6.02214076e23 / 1.602176634e-19


@pytest.mark.parametrize("block", [None, {}])
def test_no_block_leaves_labels_alone(block: dict[str, Any] | None) -> None:
    options = LabelOptions.from_block(block)
    assert (options.center, options.fixed_scale()) == ("none", 1.0)


def test_the_published_constant() -> None:
    scale = LabelOptions.from_block({"center": "none", "scale": "1e6 kcal/mol"}).fixed_scale()
    assert scale == pytest.approx(1e6 * KCAL_PER_MOL, rel=1e-7)  # CODATA 2014 and 2018 differ by 1e-8
    assert f"{scale:.3e}" == "4.336e+04"


@pytest.mark.parametrize(("value", "scale"), [(25, 25.0), (0.5, 0.5), ("2", 2.0), ("2 eV", 2.0), ("250 meV", 0.25)])
def test_fixed_scales(value: float | str, scale: float) -> None:
    assert LabelOptions.from_block({"scale": value}).fixed_scale() == scale


@settings(deadline=None)
@given(st.floats(1e-9, 1e9))
def test_any_positive_number(value: float) -> None:
    relative, _ = ROUNDING[torch.float64]
    assert LabelOptions.from_block({"scale": value}).fixed_scale() == value
    text = LabelOptions.from_block({"scale": f"{value!r} meV"}).fixed_scale()
    assert text == pytest.approx(value / 1000, rel=relative)


def test_a_scale_from_the_fit() -> None:
    options = LabelOptions.from_block({"scale": "forces_rms"})
    assert (options.fixed_scale(), options.rms_factor()) == (None, 1.0)
    assert LabelOptions.from_block({"scale": "2 eV"}).rms_factor() is None


@pytest.mark.parametrize(
    ("scale", "factor"),
    [
        ("0.04 forces_rms", 0.04),
        (".5forces_rms", 0.5),
        (" 4e-2  forces_rms ", 0.04),
        ("0.04 * forces_rms", 0.04),
        ("25 forces_rms", 25.0),
    ],
)
def test_a_part_of_the_fitted_scale(scale: str, factor: float) -> None:
    options = LabelOptions.from_block({"scale": scale})
    assert (options.fixed_scale(), options.rms_factor()) == (None, factor)


@pytest.mark.parametrize("scale", ["0 forces_rms", "-1 forces_rms", "1e-13 forces_rms", "1e400 forces_rms"])
def test_parts_of_the_fitted_scale_that_are_refused(scale: str) -> None:
    with pytest.raises(UserError, match=rf"label_rescaling\.scale: got '{scale}', expected a number from 1e-12 to"):
        LabelOptions.from_block({"scale": scale})


@pytest.mark.parametrize(
    "scale", [0, 0.0, "0 eV", -1, "-1e6 kcal/mol", math.nan, math.inf, True, False, None, [1.0], {}]
)
def test_scales_that_are_refused(scale: object) -> None:
    with pytest.raises(UserError) as error:
        LabelOptions.from_block({"scale": scale}, "dataset.train.transforms.label_rescaling")
    message = str(error.value)
    assert message.startswith("dataset.train.transforms.label_rescaling.scale: ")
    assert repr(scale) in message
    assert "1e6 kcal/mol" in message


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"scale": "3 kcal/mo"}, r"label_rescaling\.scale: .*'kcal/mo'.*Did you mean 'kcal/mol'\?"),
        ({"scale": "force_rms"}, r"scale: got 'force_rms', expected .* Did you mean 'forces_rms'\?"),
        ({"scale": "0.04 force_rms"}, r"scale: got '0.04 force_rms', expected .* Did you mean 'forces_rms'\?"),
        ({"scale": "x 0.04 forces_rms"}, r"label_rescaling\.scale: got 'x 0.04 forces_rms', expected a number in"),
        ({"scale": "lots"}, r"label_rescaling\.scale: got 'lots', expected an energy"),
        ({"center": "compositon"}, r"label_rescaling\.center: .* Did you mean 'composition'\?"),
        ({"center": None}, r"label_rescaling\.center: got None, expected one of none, mean, composition"),
        ({"centre": "mean"}, r"label_rescaling: unknown key 'centre'; expected center, scale. Did you mean 'center'\?"),
        ([1], r"label_rescaling: got \[1\], expected a block of options"),
    ],
)
def test_blocks_that_are_refused(block: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        LabelOptions.from_block(block)


@settings(deadline=None)
@given(st.text().filter(lambda key: key not in ("center", "scale")))
def test_every_unknown_key_is_refused_by_name(key: str) -> None:
    with pytest.raises(UserError) as error:
        LabelOptions.from_block({key: 1.0})
    assert f"unknown key {key!r}; expected center, scale" in str(error.value)
