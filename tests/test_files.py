from __future__ import annotations

import csv
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.errors import UserError
from ocp_dc.files import replacing, write_csv, write_json

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
    assert read == rows


def test_csv_refuses_no_rows_and_rows_of_other_columns(tmp_path):
    with pytest.raises(UserError, match="got no rows"):
        write_csv(tmp_path / "a.csv", [])
    with pytest.raises(UserError, match=r"got a row with the columns \['b'\], expected \['a'\]"):
        write_csv(tmp_path / "a.csv", [{"a": 1}, {"b": 2}])
    assert not list(tmp_path.iterdir())
