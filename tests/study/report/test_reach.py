from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ocp_dc.study.report.reach import Reach, find_reach

from tests.helpers.studies import EFWT, ENERGY, FORCES, run, study

X = [1, 2, 3, 4]
BASE: dict[str, Any] = {"epoch": X, "energy_mae": [4.0, 2.0, 1.0, 1.5], "forces_mae": [8.0, 7.0, 6.0, 5.0]}


def reached(arm, baseline, quantities=(ENERGY, FORCES)):
    return find_reach(study([baseline], [arm], quantities=quantities), [arm], [baseline])


def with_curves(energy, forces, status="done", arm="arm", seed=0):
    curves: dict[str, Any] = {"epoch": X[: len(energy)], "energy_mae": energy, "forces_mae": forces}
    return run(arm, seed, {}, status, curves=curves)


def test_the_first_validation_that_is_as_good():
    got = reached(with_curves([2.0, 1.0, 3.0, 0.1], [9.0, 5.5, 5.0, 4.0]), run("b", curves=BASE))
    assert got == [Reach(0, {"energy_mae": 2.0, "forces_mae": 3.0}, 3.0)]


def test_the_baseline_reaches_its_own_best():
    baseline = run("b", curves=BASE)
    assert reached(baseline, baseline) == [Reach(0, {"energy_mae": 3.0, "forces_mae": 4.0}, 4.0)]


def test_never_and_not_a_number():
    got = reached(with_curves([np.nan, 1.1, np.nan, np.nan], [np.nan, 9.0, 9.0, 4.9]), run("b", curves=BASE))
    assert got == [Reach(0, {"energy_mae": None, "forces_mae": 4.0}, None)]
    nothing = run("b", curves={**BASE, "energy_mae": [np.nan] * 4})
    assert reached(with_curves([1.0] * 4, [1.0] * 4), nothing)[0].first == {"energy_mae": None, "forces_mae": 1.0}


def test_a_run_that_may_still_get_there_is_left_out():
    baseline = run("b", curves=BASE)
    for status in ("unfinished", "failed"):
        assert reached(with_curves([2.0], [9.0], status), baseline) == []
        assert reached(with_curves([0.5], [4.0], status), baseline)[0].together == 1.0
    assert reached(with_curves([2.0], [9.0], "diverged"), baseline)[0].together is None


def test_seeds_are_paired_and_the_baseline_has_to_be_done():
    arm = with_curves([1.0] * 4, [5.0] * 4, seed=1)
    assert reached(arm, run("b", 0, curves=BASE)) == []
    assert reached(arm, run("b", 1, status="unfinished", curves=BASE)) == []
    assert reached(arm, run("b", 1)) == []
    assert len(reached(arm, run("b", 1, curves=BASE))) == 1


def test_what_is_better_when_higher():
    efwt = dataclasses.replace(EFWT, primary=True)
    baseline, arm = (
        run("a", curves={"epoch": X, "efwt": column}) for column in ([0.1, 0.3, 0.2, 0], [0, 0.2, 0.3, 0.4])
    )
    results = study([baseline], quantities=[efwt])
    results = dataclasses.replace(results, curves=(*results.curves, EFWT))
    assert find_reach(results, [arm], [baseline]) == [Reach(0, {"efwt": 3.0}, 3.0)]


def test_a_quantity_without_a_curve_cannot_be_reached():
    nrmse = dataclasses.replace(ENERGY, key="nrmse")
    assert reached(run("a", curves=BASE), run("b", curves=BASE), [nrmse]) == []
