from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.metrics import UNITS
from ocp_dc.evaluation.tables import comparison_rows, comparison_table, mean_and_spread, print_errors


def metrics(**changes: float) -> dict:
    values = {
        "n_structures": 50,
        "energy_mae": 0.0433641,  # 1.000 kcal/mol: 23.0605 kcal/mol are 1 eV
        "energy_rmse": 0.0867282,
        "energy_per_atom_mae": 0.0048,
        "forces_mae": 0.216821,
        "forces_rmse": 0.3,
        "forces_cosine": 0.987,
        "efwt": 0.25,
    }
    return {**values, **changes, "units": dict(UNITS)}


def printed(table: object, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def row(text: str, *words: str) -> list[str]:
    """The cells of the one line that holds all the words."""
    lines = [line.split() for line in text.splitlines() if all(word in line.split() for word in words)]
    assert len(lines) == 1, text
    return lines[0]


def test_errors_in_three_units(capsys):
    print_errors(metrics(), "ethanol [test]", Console(width=80))
    text = capsys.readouterr().out
    assert "ethanol [test] (50 structures)" in text
    assert row(text, "energy,", "per", "structure", "MAE")[-3:] == ["0.04336", "1", "4.8"]
    assert row(text, "forces,", "component", "MAE")[-3:] == ["0.2168", "5", "216.8"]
    assert [line[-2:] for line in map(str.split, text.splitlines()) if line[:1] == ["RMSE"]] == [
        ["0.08673", "2"],
        ["6.918", "300"],
    ]
    assert row(text, "cosine")[-1] == "0.987"
    assert row(text, "EFwT")[-2:] == ["25", "%"]
    for unit in ("eV", "kcal/mol", "meV/atom", "eV/Å", "kcal/mol/Å", "meV/Å"):
        assert unit in text.split()


def test_a_diverged_model_says_nan():
    console = Console(width=80)
    with console.capture() as capture:
        print_errors(metrics(energy_mae=math.nan), "run", console)
    assert row(capture.get(), "energy,", "MAE")[-3:-1] == ["nan", "nan"]


def test_comparison_has_mean_and_spread_side_by_side():
    seeds = [metrics(energy_mae=e, forces_mae=f) for e, f in ((0.10, 1.0), (0.12, 1.2), (0.14, 1.4))]
    text = printed(comparison_table({"stock": seeds, "[paper]": [metrics()]}, "ethanol"))
    assert " ".join(row(text, "stock")) == "stock 3 0.120 ± 0.020 1.20 ± 0.20 25 ± 0"
    assert " ".join(row(text, "[paper]")) == "[paper] 1 0.04336 0.2168 25"
    assert "eV/Å" in text
    kcal = printed(comparison_table({"stock": [metrics()]}, "ethanol", unit="kcal/mol"))
    assert " ".join(row(kcal, "stock")) == "stock 1 1 5 25"
    assert "kcal/mol/Å" in kcal


def test_a_narrow_terminal_loses_no_digit():
    seeds = [metrics(energy_mae=e) for e in (0.12345, 0.12346)]
    text = printed(comparison_table({"a long name of a run": seeds}, "ethanol"), width=60)
    assert "0.1234550" in text
    assert "0.0000071" in text
    assert "…" not in printed(comparison_table({"a long name of a run": seeds}, "ethanol"), width=40)


def test_comparison_rows_hold_every_metric_with_its_unit():
    stock, single = comparison_rows({"stock": [metrics(efwt=0.1), metrics(efwt=0.3)], "single": [metrics()]})
    assert (stock["run"], stock["seeds"]) == ("stock", 2)
    assert stock["efwt [fraction]"] == 0.2
    assert stock["efwt_std [fraction]"] == statistics.stdev([0.1, 0.3])
    assert single["forces_mae [eV/Å]"] == 0.216821
    assert single["forces_mae_std [eV/Å]"] == ""
    assert list(stock) == list(single)
    assert len(stock) == 2 + 2 * 7


def test_one_diverged_seed_shows_in_the_mean():
    (rows,) = comparison_rows({"run": [metrics(), metrics(energy_mae=math.nan)]})
    assert str(rows["energy_mae [eV]"]) == "nan"
    assert str(rows["energy_mae_std [eV]"]) == "nan"
    assert mean_and_spread([0.1, math.nan]) == "nan"


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.25], "0.25"), ([2.0, 2.0], "2 ± 0"), ([100.0, 140.0], "120 ± 28"), ([1.0, 1.002], "1.0010 ± 0.0014")],
)
def test_mean_and_spread(values, expected):
    assert mean_and_spread(values) == expected


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=5))
def test_mean_and_spread_is_right_to_the_digits_it_shows(values):
    mean, spread = map(float, mean_and_spread(values).split(" ± "))
    true_spread = statistics.stdev(values)
    assert spread == pytest.approx(true_spread, rel=0.051, abs=1e-15)
    assert abs(mean - math.fsum(values) / len(values)) <= max(0.051 * true_spread, 1e-3 * mean * (spread == 0))


def test_nothing_to_compare_is_refused():
    with pytest.raises(UserError, match="got no runs"):
        comparison_table({}, "ethanol")
    with pytest.raises(UserError, match="run 'a': got no seeds"):
        comparison_rows({"a": []})
    with pytest.raises(UserError, match="kcal"):
        comparison_table({"a": [metrics()]}, "ethanol", unit="cal")
