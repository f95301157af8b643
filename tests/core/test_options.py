from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.core.options import check_keys, documentation, option, parse


@dataclasses.dataclass(frozen=True)
class Oven:
    """An example of a block."""

    heat: float = option(180.0, help="in degrees")
    mode: str | None = option(None, help="how it heats", choices=("fan", "grill"))
    light: bool = option(False, help="whether one sees what is inside")


def test_parse() -> None:
    assert parse(Oven, {"heat": 200.0, "mode": "fan"}, "oven") == Oven(200.0, "fan")
    assert parse(Oven, {"heat": 200.0}, "oven") == Oven(200.0, None)
    assert parse(Oven, None, "oven") == parse(Oven, {}, "oven") == Oven(180.0, None)  # no choice, but the default


def test_parse_leaves_the_block_alone() -> None:
    block = {"mode": "grill"}
    parse(Oven, block, "oven")
    assert block == {"mode": "grill"}


@pytest.mark.parametrize("block", ["fan", 3, True, ["heat"], ("mode", "fan")])
def test_a_block_of_the_wrong_kind(block: Any) -> None:
    with pytest.raises(UserError) as error:
        parse(Oven, block, "model.oven")
    assert str(error.value) == f"model.oven: got {block!r}, expected a block of options (heat, mode, light)"


@pytest.mark.parametrize("value", ["fann", None, 3, ["fan"], {"fan": 1}])
def test_a_value_outside_the_choices(value: object) -> None:
    with pytest.raises(UserError) as error:
        parse(Oven, {"mode": value}, "model.oven")
    hint = "" if value in (None, 3) else " Did you mean 'fan'?"
    assert str(error.value).removesuffix(hint) == f"model.oven.mode: got {value!r}, expected one of fan, grill."


@pytest.mark.parametrize("value", ["yes", 1, 0, None])
def test_a_switch_is_true_or_false(value: object) -> None:
    assert parse(Oven, {"light": True}, "oven").light is True
    with pytest.raises(UserError, match=rf"^oven\.light: got {value!r}, expected true or false$"):
        parse(Oven, {"light": value}, "oven")


def test_an_unknown_key_comes_with_the_nearest() -> None:
    with pytest.raises(
        UserError, match=r"^oven: unknown key 'hate'; expected heat, light, mode\. Did you mean 'heat'\?$"
    ):
        parse(Oven, {"hate": 1.0}, "oven")


def test_check_keys() -> None:
    check_keys({}, ["a"], "block")
    check_keys({"b": 1, "a": 2}, iter(["a", "b"]), "block")
    with pytest.raises(UserError, match=r"^block: unknown key 'zz'; expected a, b\.$"):
        check_keys({"a": 1, "zz": 2}, ["b", "a"], "block")


@settings(deadline=None)
@given(
    known=st.sets(st.text(), min_size=1),
    block=st.dictionaries(st.one_of(st.text(), st.integers(), st.none()), st.integers(), max_size=5),
)
def test_only_known_keys_pass(known: set[str], block: dict[Any, int]) -> None:
    unknown = [key for key in block if key not in known]
    if not unknown:
        check_keys(block, known, "block")
        return
    with pytest.raises(UserError) as error:
        check_keys(block, known, "block")
    assert str(error.value).startswith(f"block: unknown key {unknown[0]!r}; expected ")


def test_documentation_has_a_line_per_option() -> None:
    assert documentation(Oven).splitlines() == [
        "heat (default: 180.0): in degrees",
        "mode (default: None): how it heats",
        "light (default: False): whether one sees what is inside",
    ]
