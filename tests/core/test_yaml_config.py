"""YAML configs and overrides: what is read, and that every mistake has one clear message."""

from __future__ import annotations

import ast
import copy
import zipfile
from typing import Any

import pytest
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.core.yaml_config import apply_override, check_kind, parse_override, read_yaml

EXPECTED = "a config such as configs/md17/schnet-dc.yml"
CONFIG: dict[str, Any] = {
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
        ("--optim.x=", "got nothing behind '='"),
        ("--model.dc={activation: [}", "the value is no YAML"),
        ("--model.dc={a: 1, a: 2}", "the key 'a' stands twice"),
        ("--model.name.x=2", r"'x' would stand in 'dc_schnet', which is no block"),
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got nothing in it"),
        (b"- a\n", "got a list, no blocks"),
        (b"a: 1\nb: 2\na: 3\n", "the key 'a' stands twice in one block, the second time in line 3"),
        (b"x: {a: 1, a: 2}\n", "the key 'a' stands twice"),
        (b"a: [1\n", "is no YAML"),
        (b"\x00", "is no YAML"),
        (b"a: \xff\xfe", "is no text in UTF-8"),
        (b"PK\x03\x04...", "is a zip archive, such as a checkpoint"),
        (b"\x80\x02}q.", "is a pickle"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"a: &a [*a]\n", "or for themselves"),
        (b"a: !!python/object/apply:os.system [ls]\n", "is no YAML"),
        (b"? [1]\n: 2\n", "is no YAML"),
        (b"a: " + b"[" * 5000, "is no YAML"),
        (
            "\n".join([f"a{n + 1}: &x{n + 1} [{', '.join([f'*x{n}'] * 9) if n else 1}]" for n in range(12)]).encode(),
            "aliases",
        ),
    ],
)
def test_files_that_are_no_config(tmp_path, content, message):
    path = tmp_path / "c.yml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(path, EXPECTED)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_config(tmp_path):
    with pytest.raises(UserError, match="is a folder; expected a config such as"):
        read_yaml(tmp_path, EXPECTED)
    with pytest.raises(UserError, match="no such file; expected a config such as"):
        read_yaml(tmp_path / "none.yml", EXPECTED)
    with zipfile.ZipFile(tmp_path / "k.pt", "w") as archive:
        archive.writestr("data.pkl", b"")
    with pytest.raises(UserError, match="is a zip archive"):
        read_yaml(tmp_path / "k.pt", EXPECTED)


def test_what_is_read(tmp_path):
    path = tmp_path / "c.yml"
    text = "base: &b {a: 1e-3, b: 1.0e-3}\nsame: *b\nmerged: {<<: *b, c: yes}\nα: [1, null]\n"
    path.write_text(text, encoding="utf-8")
    assert read_yaml(path, EXPECTED) == yaml.safe_load(text)
    assert read_yaml(path, EXPECTED)["base"] == {"a": "1e-3", "b": 1e-3}


@pytest.mark.parametrize(
    ("blocks", "kind"),
    [
        ({"trainer": "dc", "model": {}, "dataset": {}}, "run"),
        ({"includes": ["_base.yml"], "model": {}, "optim": {}}, "run"),
        ({"title": "t", "base": "b.yml", "arms": {}}, "study"),
        ({"task": "advection", "network": {}, "optim": {}, "data": {}}, "pinn"),
    ],
)
def test_kinds(blocks, kind):
    check_kind(blocks, kind, "c.yml")
    commands = {"run": "ocp-dc main", "study": "ocp-dc study run", "pinn": "ocp-dc pinn train"}
    for other in set(commands) - {kind}:
        with pytest.raises(UserError, match=rf"c\.yml: is .*`{commands[kind]}"):
            check_kind(blocks, other, "c.yml")


@pytest.mark.parametrize(
    "blocks", [{}, {"taks": "advection"}, {"includes": ["a.yml"]}, {"task": {"relax_opt": {}}, "includes": ["a.yml"]}]
)
def test_what_could_be_any_kind_is_left_to_later_checks(blocks):
    for kind in ("run", "study", "pinn"):
        check_kind(blocks, kind, "c.yml")
