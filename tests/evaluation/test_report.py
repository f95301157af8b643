from __future__ import annotations

import csv
import dataclasses
import json
import math

import numpy as np
import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_record
from ocp_dc.evaluation.metrics import UNITS, error_metrics
from ocp_dc.evaluation.report import read_evaluation, write_report


def test_the_folder_holds_the_metrics_twice_the_largest_errors_and_the_plot(hand, tmp_path):
    out = tmp_path / "new" / "evaluation"
    metrics = write_report(hand, out, "ethanol")
    assert metrics == error_metrics(hand)
    assert {path.name for path in out.iterdir()} == {
        "evaluation.json",
        "errors.csv",
        "largest_errors.csv",
        "parity.png",
        "predictions.csv",
        "predictions.npz",
        *("errors_by_force.csv", "errors_by_force.png"),
        *("errors_along_trajectory.csv", "errors_along_trajectory.png"),
    }
    assert read_record(out / "evaluation.json", "mend") == metrics
    with (out / "errors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [["metric", "value", "unit"]] * len(UNITS)
    assert {row["metric"]: (float(row["value"]), row["unit"]) for row in rows} == {
        name: (metrics[name], unit) for name, unit in UNITS.items()
    }
    with (out / "largest_errors.csv").open(newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["two", "one", "two", "one"]


def test_an_evaluation_is_not_overwritten_unless_told(hand, tmp_path):
    write_report(hand, tmp_path, "first")
    before = (tmp_path / "evaluation.json").read_bytes()
    perfect = dataclasses.replace(hand, energy_pred=hand.energy_true)
    with pytest.raises(UserError, match="holds an evaluation already"):
        write_report(perfect, tmp_path, "second")
    assert (tmp_path / "evaluation.json").read_bytes() == before
    write_report(perfect, tmp_path, "second", overwrite=True)
    assert read_evaluation(tmp_path / "evaluation.json")["energy_mae"] == 0.0


def test_a_file_in_place_of_the_folder_is_refused(hand, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="got a file, expected a folder"):
        write_report(hand, tmp_path / "taken", "title")


def test_what_has_no_value_is_null_in_the_file_and_nan_when_read(hand, tmp_path):
    diverged = dataclasses.replace(hand, energy_pred=[0.0, np.nan])
    write_report(diverged, tmp_path, "diverged")
    assert json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["energy_mae"] is None
    read = read_evaluation(tmp_path / "evaluation.json")
    assert math.isnan(read["energy_mae"])
    assert read["forces_mae"] == error_metrics(diverged)["forces_mae"]


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"energy_mae": 1}'])
def test_other_files_are_no_evaluation(tmp_path, content):
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"evaluation\.json: .*(got no evaluation|evaluate again with --overwrite)"):
        read_evaluation(path)
    with pytest.raises(UserError, match="got no such file"):
        read_evaluation(tmp_path / "nothing.json")


@pytest.mark.parametrize("content", ["", '{"energy_mae": 1', "\0" * 50])
def test_an_evaluation_that_a_kill_cut_off_is_made_again(tmp_path, hand, content):
    (tmp_path / "evaluation.json").write_text(content)
    write_report(hand, tmp_path, "title")
    assert read_evaluation(tmp_path / "evaluation.json")["n_structures"] == len(hand.natoms)


def test_a_changed_digit_is_no_result(tmp_path, hand):
    write_report(hand, tmp_path, "title")
    path = tmp_path / "evaluation.json"
    value = json.loads(path.read_text())["energy_mae"]
    path.write_text(path.read_text().replace(f'"energy_mae": {value}', f'"energy_mae": {value + 1}'))
    with pytest.raises(UserError, match="damaged or edited; evaluate again with --overwrite"):
        read_evaluation(path)


@pytest.mark.parametrize("value", ["text", True, [1]])
def test_a_metric_that_is_no_number(tmp_path, hand, value):
    metrics = {**write_report(hand, tmp_path, "title"), "energy_mae": value}
    (tmp_path / "old.json").write_text(json.dumps(metrics))
    with pytest.raises(UserError, match="expected a number or null"):
        read_evaluation(tmp_path / "old.json")
