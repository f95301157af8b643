from __future__ import annotations

import math

import pytest

from ocp_dc.core.digests import content_digest
from ocp_dc.study.report.csv_rows import run_rows, table_rows
from ocp_dc.study.report.groups import gather
from ocp_dc.study.report.tables import Table, primary_table, secondary_table

from tests.helpers.studies import COSINE, EFWT, ENERGY, FORCES, PER_ATOM, SECONDS, run, runs, study

KCAL = 0.04336410390059322


def column(table: Table, *heading: str) -> list[str]:
    (found,) = (column for column in table.columns if column.heading == heading)
    return [cell.text for cell in found.cells]


def best(table: Table, *heading: str) -> list[bool]:
    (found,) = (column for column in table.columns if column.heading == heading)
    return [cell.best for cell in found.cells]


@pytest.fixture
def molecular():
    stock = runs("stock", [0.010, 0.012, 0.014], [0.1, 0.2, 0.3])
    irelu = runs("irelu", [0.005, 0.006, 0.007], [0.2, 0.3, 0.4])
    holes = runs("holes", [0.001, "diverged", "failed"], [0.1])
    lost = runs("lost", ["diverged", "unfinished", "unfinished"])
    return study(stock, irelu, holes, lost)


def test_energy_and_forces_side_by_side(molecular):
    table = primary_table(molecular, gather(molecular)[0])
    assert [c.heading for c in table.columns] == [
        ("arm", ""),
        ("seeds", ""),
        ("energy MAE", "meV"),
        ("forces MAE", "meV/Å"),
        ("change in", "energy MAE"),
        ("change in", "forces MAE"),
        ("energy MAE", "kcal/mol"),
        ("forces MAE", "kcal/mol/Å"),
    ]
    assert column(table, "arm", "") == ["stock\n(baseline)", "irelu", "holes", "lost"]
    assert column(table, "seeds", "") == ["3", "3", "1 of 3\n1 diverged\n1 failed", "0 of 3\n1 diverged\n2 unfinished"]
    assert column(table, "energy MAE", "meV") == ["12.0 ± 2.0", "6.0 ± 1.0", "1", "diverged, unfinished"]
    assert column(table, "forces MAE", "meV/Å") == ["200 ± 100", "300 ± 100", "100", "diverged, unfinished"]
    assert column(table, "change in", "energy MAE") == ["", "−50 % *", "×0.10", "–"]
    first, second = column(table, "energy MAE", "kcal/mol")[:2]
    assert first == f"{0.012 / KCAL:.3f} ± {0.002 / KCAL:.3f}" == "0.277 ± 0.046"
    assert second == "0.138 ± 0.023"


def test_the_best_is_bold_among_those_on_equal_terms(molecular):
    table = primary_table(molecular, gather(molecular)[0])
    assert best(table, "energy MAE", "meV") == [False, True, False, False]
    assert best(table, "forces MAE", "meV/Å") == [True, False, False, False]
    assert best(table, "energy MAE", "kcal/mol") == [False, True, False, False]


def test_energies_per_atom_stand_beside_the_primary_ones():
    arms = [
        [run(arm, 0, {"energy_mae": 0.01, "energy_per_atom_mae": value})] for arm, value in (("a", 0.002), ("b", 0.001))
    ]
    results = study(*arms, quantities=[ENERGY, PER_ATOM])
    (group,) = gather(results)
    assert column(primary_table(results, group), "energy MAE", "meV/atom") == ["2", "1"]
    assert "meV/atom" not in [c.heading[1] for c in secondary_table(results, group).columns]


def test_everything_else_is_secondary():
    curves = {"epoch": [1, 2, 3], "energy_mae": [3.0, 2.0, 1.0], "forces_mae": [3.0, 1.0, 2.0]}
    faster = {"epoch": [1, 2, 3], "energy_mae": [1.0, 1.0, 1.0], "forces_mae": [3.0, 2.0, 1.5]}
    metrics = {"efwt": 0.25, "forces_cosine": -0.5, "seconds_per_step": 2.0}
    stock = [run("stock", s, metrics, curves=curves) for s in (0, 1)]
    fast = [run("fast", 0, {**metrics, "efwt": math.nan}, curves=faster), run("fast", 1, {}, "diverged")]
    results = study(stock, fast, quantities=[ENERGY, FORCES, EFWT, COSINE, SECONDS])
    table = secondary_table(results, gather(results)[0])
    assert column(table, "EFwT", "%") == ["25 ± 0", "–"]
    assert column(table, "force cosine", "") == ["-0.5 ± 0", "-0.5"]
    assert column(table, "time per step", "s") == ["2 ± 0", "2"]
    assert column(table, "epoch to reach", "energy MAE") == ["3, 3", "1"]
    assert column(table, "epoch to reach", "forces MAE") == ["2, 2", "never"]
    assert column(table, "epoch to reach", "both") == ["3, 3", "never"]
    assert column(table, "diverged", "") == ["0/2", "1/2"]


def test_what_no_run_has_is_left_out():
    results = study([run("a", 0, {"efwt": 0.5}), run("a", 1, {"efwt": math.nan})], quantities=[ENERGY, EFWT, COSINE])
    headings = [column.heading[0] for column in secondary_table(results, gather(results)[0]).columns]
    assert "EFwT" in headings
    assert "force cosine" not in headings


def test_a_value_that_some_done_runs_lack():
    results = study(runs("a", [0.5, math.nan, 0.7]))
    table = primary_table(results, gather(results)[0])
    assert column(table, "energy MAE", "meV") == ["600 ± 141 (2 of 3)"]


def test_csv_rows_by_hand(molecular):
    stock, irelu, holes, lost = table_rows(molecular, gather(molecular))
    assert (stock["model"], stock["data"], stock["arm"], stock["seeds"]) == ("schnet", "ethanol", "stock", 3)
    assert [holes[s] for s in ("done", "diverged", "failed", "unfinished")] == [1, 1, 1, 0]
    assert stock["energy_mae_mean [eV]"] == pytest.approx(0.012)
    assert stock["energy_mae_std [eV]"] == pytest.approx(0.002)
    assert stock["energy_mae_ratio"] == stock["energy_mae_p"] == ""
    assert irelu["energy_mae_ratio"] == irelu["energy_mae_ratio_low"] == irelu["energy_mae_ratio_high"]
    assert irelu["energy_mae_ratio"] == pytest.approx(0.5)
    assert irelu["forces_mae_ratio"] == pytest.approx((2 * 1.5 * 4 / 3) ** (1 / 3))
    assert irelu["forces_mae_ratio_low"] < irelu["forces_mae_ratio"] < irelu["forces_mae_ratio_high"]
    assert irelu["forces_mae_pairs"] == 3
    assert irelu["energy_mae_p"] == 0
    assert irelu["forces_mae_p_adjusted"] == irelu["forces_mae_p"]  # the larger of two
    assert holes["energy_mae_ratio"] == pytest.approx(0.1)
    assert holes["energy_mae_p"] == ""
    assert lost["energy_mae_mean [eV]"] == lost["energy_mae_ratio"] == ""
    assert lost["energy_mae_pairs"] == 0
    assert list(stock) == list(lost)


def test_differences_have_a_unit_in_the_csv():
    arms = [[run(arm, s, {"efwt": value + s / 100}) for s in (0, 1)] for arm, value in (("a", 0.0), ("b", 0.1))]
    results = study(*arms, quantities=[EFWT])
    assert table_rows(results, gather(results))[1]["efwt_difference [fraction]"] == pytest.approx(0.1)


def test_a_row_for_each_run(molecular):
    rows = run_rows(molecular)
    assert len(rows) == len(molecular.records) == 12
    assert rows[0] == {
        "run": "schnet-ethanol-stock-0",
        "model": "schnet",
        "data": "ethanol",
        "arm": "stock",
        "seed": 0,
        "status": "done",
        "message": "",
        "energy_mae [eV]": 0.010,
        "forces_mae [eV/Å]": 0.1,
        "validations": 0,
        "initial_weights": content_digest({"layer.weight": "same"})[:12],
    }
    assert rows[7]["status"] == "diverged"
    assert rows[7]["energy_mae [eV]"] == ""
