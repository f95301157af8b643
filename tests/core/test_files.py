from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import (
    is_cut_off,
    read_json,
    read_record,
    replacing,
    replacing_folder,
    write_csv,
    write_json,
    write_record,
)
from ocp_dc.core.write_errors import WriteError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_and_makes_the_folder(tmp_path):
    path = tmp_path / "new" / "result.txt"
    for text in ("first", "second"):
        with replacing(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_json_has_null_where_a_number_is_not_finite(tmp_path):
    write_json(tmp_path / "a.json", {"å": [1, 0.1, math.nan], "b": {"c": -math.inf}, "d": ("x", None)})

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse) == {"å": [1, 0.1, None], "b": {"c": None}, "d": ["x", None]}
    assert "å" in text


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(TEXT, st.floats(allow_nan=False)), min_size=1, max_size=4))
def test_csv_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    write_csv(path, [{"name, [eV/Å]": name, "value": value} for name, value in rows])
    with path.open(newline="", encoding="utf-8") as file:
        read = [(row["name, [eV/Å]"], float(row["value"])) for row in csv.DictReader(file)]
    assert read == [(quoted(name), value) for name, value in rows]


def quoted(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")) else text
    return text


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\n=1",
        "＝1",
        "-",
        "=-1",
        " =1",
        "\ufeff=1",
        "\u00a0@A1",
    ],
)
def test_no_cell_is_a_formula(tmp_path, text):
    write_csv(tmp_path / "a.csv", [{"=header": text, "b": "a=1"}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["'=header", "b"], [f"'{text}", "a=1"]]


def test_a_carriage_return_starts_no_row(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": "x\r=1", "b": "\r=1"}])
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a", "b"], ["x\n=1", "'\n=1"]]


def test_numbers_are_no_formulas(tmp_path):
    write_csv(tmp_path / "a.csv", [{"a": -1.5, "b": "-1.5e-3", "c": "+2", "d": -3, "e": ""}])
    assert (tmp_path / "a.csv").read_text() == "a,b,c,d,e\n-1.5,-1.5e-3,+2,-3,\n"


def test_a_record_has_a_digest(tmp_path):
    path = tmp_path / "result.json"
    write_record(path, {"status": "done", "test": {"energy_mae": 0.125, "n": 3, "nothing": math.nan}, "å": "ü"})
    written = path.read_text(encoding="utf-8")
    content = {"status": "done", "test": {"energy_mae": 0.125, "n": 3, "nothing": None}, "å": "ü"}
    assert read_record(path, "mend") == content
    path.write_text(written.replace("0.125", "0.126"), encoding="utf-8")
    with pytest.raises(UserError, match=r"damaged or edited; make it again.*remove the entry 'sha256'"):
        read_record(path, "make it again")
    old = {**content, "test": {"energy_mae": 0.126}}
    path.write_text(json.dumps(old))  # of an earlier version
    assert read_record(path, "mend") == old
    path.write_text(json.dumps({"sha256": json.loads(written)["sha256"], **dict(reversed(content.items()))}, indent=7))
    assert read_record(path, "mend") == content  # laid out anew


def test_every_changed_digit_of_a_record_is_found(tmp_path):
    path = tmp_path / "result.json"
    write_record(path, {"a": 1.0625, "b": [2, -3e-9], "c": "text 4"})
    text = path.read_text()
    for i, character in enumerate(text):
        if character.isdigit():
            path.write_text(text[:i] + str(9 - int(character)) + text[i + 1 :])
            in_the_key = "sha" in text[i - 5 : i]
            with contextlib.nullcontext() if in_the_key else pytest.raises(UserError, match="damaged or edited"):
                assert read_record(path, "mend")["a"] == 1.0625


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[]", "", "{", '{"a": -Infinity}'])
def test_json_is_read_strictly(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: .*; make it again"):
        read_json(tmp_path / "a.json", "make it again")


def test_what_counts_as_cut_off(tmp_path):
    path = tmp_path / "a.json"
    whole = json.dumps({"a": {"b": [1.5, 2]}, "c": "text", "d": True}, indent=2)
    for cut in range(len(whole)):
        path.write_text(whole[:cut])
        assert is_cut_off(path), whole[:cut]
    path.write_bytes(bytes(100))  # a power cut
    assert is_cut_off(path)
    for text in (whole, "mine", '{"a": 1.5.2, "b": 3}', "[1]"):
        path.write_text(text)
        assert not is_cut_off(path), text
    path.write_bytes(b"\x80\x02")
    assert not is_cut_off(path)


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    path = tmp_path / "mine"
    path.symlink_to(tmp_path / "theirs")
    write_json(path, {"a": 1})
    assert not path.is_symlink()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_long_names_and_names_that_are_no_text(tmp_path):
    for name in ("x" * 250, "å" * 120, os.fsdecode(b"caf\xe9")):
        write_json(tmp_path / name, {"name": name})
        assert read_json(tmp_path / name, "mend") == {"name": name}
    with pytest.raises(WriteError, match="name is too long"):
        write_json(tmp_path / ("x" * 300), {})


def test_a_folder_appears_whole(tmp_path):
    def failing() -> None:
        with replacing_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("a")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        failing()
    assert not list(tmp_path.iterdir())
    with replacing_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]
    with pytest.raises(WriteError, match="a folder with files in it"), replacing_folder(tmp_path / "out"):
        pass


def test_csv_refuses_no_rows_and_rows_of_other_columns(tmp_path):
    with pytest.raises(UserError, match="got no rows"):
        write_csv(tmp_path / "a.csv", [])
    with pytest.raises(UserError, match=r"got a row with the columns \['b'\], expected \['a'\]"):
        write_csv(tmp_path / "a.csv", [{"a": 1}, {"b": 2}])
    assert not list(tmp_path.iterdir())
