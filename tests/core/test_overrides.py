"""Overrides: values as fairchem reads them, paths through blocks and lists, and one clear message for a mistake."""

from __future__ import annotations

import ast
import copy

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.overrides import apply_override, merged, parse_override, set_path

CONFIG = {
    "model": {"name": "dc_schnet", "hidden_channels": 8, "dc": {"activation": "mish", "region": "full"}},
    "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}, {"forces": {"fn": "mae", "coefficient": 30}}],
    "dataset": {"val": None},
}


def overridden(*texts):
    config = copy.deepcopy(CONFIG)
    for text in texts:
        apply_override(config, text)
    return config


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3", 3),
        ("-2.5", -2.5),
        ("1e-3", 1e-3),
        ("1_000", 1000),
        ("'1'", "1"),
        ("True", True),
        ("true", True),
        ("False", False),
        ("no", False),
        ("on", True),
        ("None", None),
        ("null", None),
        ("~", None),
        ("none", "none"),
        (".inf", float("inf")),
        ("irelu", "irelu"),
        ("data/a=b/train", "data/a=b/train"),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("007", "007"),
        ("a: b", "a: b"),
        ("*.lmdb", "*.lmdb"),
        ("(0.9, 0.99)", [0.9, 0.99]),
        ("[0.9, 0.99]", [0.9, 0.99]),
        ("{'betas': (0.8, 0.99)}", {"betas": [0.8, 0.99]}),
        ("b'x'", "b'x'"),
        ("1+2j", "1+2j"),
        ("[a, b.c]", ["a", "b.c"]),
        (r"[interactions\.0, act$]", [r"interactions\.0", "act$"]),
        ("[^act$]", ["^act$"]),
        ("{name: irelu, coefficient: 0.5}", {"name": "irelu", "coefficient": 0.5}),
        ("{'name': 'irelu', 'coefficient': 1e-3}", {"name": "irelu", "coefficient": 1e-3}),
        ("{lr: 1e-3, b: [1e2, -1.5e+2, no]}", {"lr": 1e-3, "b": [100.0, -150.0, False]}),
    ],
)
def test_values(written, value):
    path, parsed = parse_override(f"--a.b={written}")
    assert path == ["a", "b"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("literal", ["1", "1.5", "[1, 2]", "{'a': [1, 'b']}", "'text'", "True", "None", "-3", "1e5"])
def test_literals_are_what_fairchem_reads(literal):
    assert parse_override(f"--a={literal}")[1] == ast.literal_eval(literal)


def test_an_entry_of_a_list_by_name_and_by_number():
    assert overridden("--loss_functions.forces.coefficient=2")["loss_functions"][1]["forces"]["coefficient"] == 2
    assert overridden("--loss_functions.0.energy.fn=mse")["loss_functions"][0]["energy"]["fn"] == "mse"
    whole = overridden("--loss_functions.1={stress: {fn: mae}}")["loss_functions"]
    assert whole == [CONFIG["loss_functions"][0], {**CONFIG["loss_functions"][1], "stress": {"fn": "mae"}}]


def test_blocks_are_merged_and_made():
    config = overridden("--model={hidden_channels: 16}", "--model.dc.activation={name: irelu}", "--dataset.val.src=x")
    assert config["model"] == {
        "name": "dc_schnet",
        "hidden_channels": 16,
        "dc": {"activation": {"name": "irelu"}, "region": "full"},
    }
    assert config["dataset"] == {"val": {"src": "x"}}
    assert overridden("--model.dc=null")["model"]["dc"] is None
    assert overridden("--a.b.c=1")["a"] == {"b": {"c": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--optim.max_epochs==2", r"got '=' twice, expected such as --optim\.max_epochs=2"),
        ("--optim.max_epochs", "expected such as"),
        ("optim.max_epochs=2", "expected such as"),
        ("--=2", "expected such as"),
        ("--optim..x=2", "expected such as"),
        ("--optim.x=", "got nothing after '='"),
        ("--model.dc={activation: [}", "the value is not YAML"),
        ("--model.dc={a: 1, a: 2}", "the key 'a' is repeated"),
        ("--model.name.x=2", r"cannot set 'x' in 'dc_schnet', which is not a block"),
        ("--loss_functions.force.coefficient=2", r"no entry of the list is named 'force'.*Did you mean 'forces'"),
        ("--loss_functions.2.energy=2", "the list has 2 entries"),
    ],
)
def test_overrides_that_are_none(text, message):
    with pytest.raises(UserError, match=message):
        overridden(text)


def test_two_entries_of_one_name_need_a_number():
    config = {"loss_functions": [{"energy": {"fn": "mae"}}, {"energy": {"fn": "mse"}}]}
    with pytest.raises(UserError, match="2 entries of the list are named 'energy'"):
        apply_override(config, "--loss_functions.energy.fn=l2")


def test_a_value_is_set_as_a_whole_unless_it_is_merged():
    config = copy.deepcopy(CONFIG)
    set_path(config, ["model", "dc"], {"region": "output"}, "x")
    assert config["model"]["dc"] == {"region": "output"}
    set_path(config, ["model", "dc"], {"activation": "irelu"}, "x", merge=True)
    assert config["model"]["dc"] == {"region": "output", "activation": "irelu"}


def test_the_place_of_a_change_is_named():
    with pytest.raises(UserError, match=r"^arms\.a\.model\.name\.x: cannot set 'x' in 'dc_schnet'"):
        set_path(copy.deepcopy(CONFIG), ["model", "name", "x"], 1, "arms.a.model.name.x")


def test_blocks_are_merged_at_any_depth():
    old = {"a": {"b": 1, "c": {"d": 2}}, "e": [1]}
    assert merged(old, {"a": {"c": {"f": 3}}, "e": [2]}) == {"a": {"b": 1, "c": {"d": 2, "f": 3}}, "e": [2]}
    assert merged(old, None) is None
    assert merged(3, {"a": 1}) == {"a": 1}
    assert old == {"a": {"b": 1, "c": {"d": 2}}, "e": [1]}
