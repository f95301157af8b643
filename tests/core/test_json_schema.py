from __future__ import annotations

import dataclasses
import inspect
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocp_dc.core.arguments import argument_help, kinds_of
from ocp_dc.core.errors import UserError
from ocp_dc.core.json_schema import (
    argument_schema,
    document,
    number_schema,
    options_schema,
    with_alternative,
    write_schema,
)
from ocp_dc.core.numbers import Number, count
from ocp_dc.core.options import option, parse

from tests.helpers.schemas import places, validator


@dataclasses.dataclass(frozen=True)
class Timer:
    """An example of a block in a block."""

    minutes: int = option(5, help="until it rings", number=count(nullable=False))


@dataclasses.dataclass(frozen=True)
class Oven:
    """An example of a block."""

    heat: float = option(180.0, help="in degrees", number=Number(0, 300, below=True, nullable=False))
    mode: str | None = option(None, help="how it heats", choices=("fan", "grill"))
    light: bool = option(False, help="whether one sees what is inside")
    trays: Sequence[str] | None = option(None, help="what is inside")
    timers: Mapping[str, Mapping[str, Any] | None] | None = option(None, help="by name", block=Timer)
    door: str = option("shut", help="its state", schema={"enum": ["shut", 3]})


OVEN = validator(document("An oven", options_schema(Oven)))


def test_names_defaults_and_documentation_are_those_of_the_options() -> None:
    properties = options_schema(Oven)["properties"]
    assert list(properties) == [field.name for field in dataclasses.fields(Oven)]
    for field in dataclasses.fields(Oven):
        assert properties[field.name]["description"] == field.metadata["help"]
        assert properties[field.name].get("default") == field.default


@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        ({}, []),
        ({"heat": 200, "mode": "fan", "light": True, "trays": ["fish"], "door": 3}, []),
        ({"timers": {"egg": {"minutes": 4}, "rest": None}, "trays": None}, []),
        ({"hate": 200}, [""]),
        ({"heat": "200"}, ["heat"]),
        ({"heat": 300}, ["heat"]),
        ({"heat": None}, ["heat"]),
        ({"mode": "fann"}, ["mode"]),
        ({"light": 1}, ["light"]),
        ({"trays": "fish"}, ["trays"]),
        ({"trays": ["fish", 3]}, ["trays[1]"]),
        ({"timers": {"egg": {"minutes": 0}, "rest": 3}}, ["timers.egg.minutes", "timers.rest"]),
        ({"timers": {"egg": {"minute": 4}}}, ["timers.egg"]),
        ({"door": "open"}, ["door"]),
        ([], [""]),
    ],
)
def test_a_block(block: Any, wrong: list[str]) -> None:
    assert places(OVEN, block) == wrong


def test_numbers_are_checked_by_the_same_declaration() -> None:
    with pytest.raises(UserError, match=r"^oven\.heat: got 300, expected a finite number, at least 0 and below 300$"):
        parse(Oven, {"heat": 300}, "oven")
    assert parse(Oven, {"heat": 299}, "oven").heat == 299


LIMITS = st.integers(-3, 3)
VALUES = st.one_of(
    st.integers(-4, 4), st.floats(-4, 4).filter(lambda x: not x.is_integer()), st.none(), st.booleans(), st.text()
)


@given(LIMITS, LIMITS, st.booleans(), st.booleans(), st.booleans(), st.booleans(), VALUES)
def test_a_number_fits_its_schema_exactly_if_it_passes_the_check(
    least: int, most: int, above: bool, below: bool, whole: bool, nullable: bool, value: Any
) -> None:
    number = Number(least, most, above=above, below=below, whole=whole, nullable=nullable)
    try:
        number.check(value, "x")
        good = True
    except UserError:
        good = False
    assert (places(validator(number_schema(number)), value) == []) == good


def test_limits_that_are_none_are_left_out() -> None:
    assert number_schema(Number(nullable=False)) == {"type": "number"}
    assert not any(
        math.isinf(value) for value in number_schema(count(nullable=False)).values() if not isinstance(value, str)
    )


def test_schemas_that_are_repeated_become_definitions() -> None:
    timers = {name: options_schema(Oven) for name in ("left", "right")}
    plain = {"type": "object", "properties": timers}
    made = document("Two ovens", plain)
    assert len(made["definitions"]) == 1
    assert len(json.dumps(made)) < 0.7 * len(json.dumps(plain))
    for config in ({}, {"left": {"heat": 3}}, {"right": {"heat": -1}}, {"left": {"hate": 3}}, {"left": 3}):
        assert places(validator(made), config) == places(validator(plain), config)


def test_an_alternative_in_the_place_of_any_value() -> None:
    reference = {"type": "string", "pattern": r"^\$"}
    schema = validator(document("Oven", with_alternative(options_schema(Oven), reference, lambda _: {})))
    for config in ("$oven", {"heat": "$x", "trays": ["$a"], "timers": {"egg": "$t", "b": {"minutes": "$m"}}}):
        assert places(schema, config) == []
    assert places(schema, {"heat": "x"}) == ["heat"]
    assert places(schema, {"timers": {"b": {"minutes": "m"}}}) == ["timers.b.minutes"]
    assert places(schema, {"$heat": 3}) == [""]


def bake(
    heat: int = 3, *, light: bool = False, mode: str | None = None, share: int | float = 0.5, tray: Any = 1
) -> None:
    """Bake.

    Args:
        heat: in
            degrees.
        light (bool, optional): whether ``light`` is on.
        share: a part.

    Raises:
        ValueError: never.
    """


def test_arguments() -> None:
    parameters = inspect.signature(bake).parameters
    assert argument_help(bake) == {"heat": "in degrees", "light": "whether light is on", "share": "a part"}
    assert kinds_of(parameters["mode"]) == ["str", "none", "none"]
    assert kinds_of(parameters["tray"]) == []
    assert argument_schema(parameters["heat"]) == {"default": 3, "type": "integer"}
    assert argument_schema(parameters["share"]) == {"default": 0.5, "type": "number"}
    mode = validator(argument_schema(parameters["mode"]))
    assert [places(mode, value) for value in (None, "a", 3)] == [[], [], [""]]
    heat = validator(argument_schema(parameters["heat"], lambda whole: count(2) if whole else Number()))
    assert [places(heat, value) for value in (2, 1, None)] == [[], [""], [""]]


def test_arguments_of_a_class_are_those_of_its_bases_too() -> None:
    class Base:
        """Base.

        Args:
            one: of the base.
            two: of the base.
        """

    class Child(Base):
        """Child.

        Args:
            two: of the child.
        """

    assert argument_help(Child) == {"one": "of the base", "two": "of the child"}


def test_writing(tmp_path: Path) -> None:
    path = tmp_path / "oven.json"
    for default in (1, 2):  # an older one is replaced
        write_schema(path, document("An oven", {"default": default}))
        assert json.loads(path.read_text())["default"] == default
    for text in ("{}", "not JSON", '{"title": "A stove"}'):
        path.write_text(text)
        with pytest.raises(UserError, match=r"oven\.json: exists, and is not an older schema of this kind"):
            write_schema(path, document("An oven", {}))
        assert path.read_text() == text
