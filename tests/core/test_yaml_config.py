"""YAML configs: reading and writing, and one clear message for every mistake."""

from __future__ import annotations

import zipfile

import pytest
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.core.yaml_config import check_kind, included_files, read_yaml, yaml_text

EXPECTED = "a config such as configs/md17/schnet-dc.yml"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"- a\n", "got a list instead of blocks"),
        (b"a: 1\nb: 2\na: 3\n", "the key 'a' is repeated in one block, in line 3"),
        (b"x: {a: 1, a: 2}\n", "the key 'a' is repeated"),
        (b"a: [1\n", "is not YAML"),
        (b"\x00", "is not YAML"),
        (b"a: \xff\xfe", "is not text in UTF-8"),
        (b"PK\x03\x04...", "is a zip archive, such as a checkpoint"),
        (b"\x80\x02}q.", "is a pickle"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"a: &a [*a]\n", "or contain themselves"),
        (b"a: !!python/object/apply:os.system [ls]\n", "is not YAML"),
        (b"? [1]\n: 2\n", "is not YAML"),
        (b"a: " + b"[" * 5000, "is not YAML"),
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


def test_included_files():
    assert included_files({"includes": ["a.yml"]}, "c.yml") == ["a.yml"]
    assert included_files({}, "c.yml") == []
    for wrong in (None, "a.yml", [1], {"a": 1}):
        with pytest.raises(UserError, match=r"c\.yml: includes: got .*, expected a list of YAML files"):
            included_files({"includes": wrong}, "c.yml")


def test_a_config_is_written_in_its_order(tmp_path):
    blocks = {"z": "1e-3", "a": [1e-3, None], "β": {"x": True}}
    path = tmp_path / "c.yml"
    path.write_text(yaml_text(blocks), encoding="utf-8")
    assert read_yaml(path, EXPECTED) == blocks
    assert list(read_yaml(path, EXPECTED)) == list(blocks)
    assert "β:" in yaml_text(blocks)
