from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ocp_dc.study.report.statistics import Comparison, compare, correct_p_values

from tests.helpers.studies import EFWT, ENERGY, SECONDS, run, runs

# Student's t at 97.5 % with 1, 2 and 4 degrees of freedom, from a printed table
T = {1: 12.706, 2: 4.303, 4: 2.776}


@pytest.mark.parametrize("pairs", [2, 3, 5])
def test_the_interval_is_that_of_the_t_quantile(pairs):
    rng = np.random.default_rng(pairs)
    a, b = np.exp(rng.normal(-3, 0.2, (2, pairs)))
    got = compare(runs("a", a), runs("b", b), ENERGY)
    logs = [math.log(x / y) for x, y in zip(a, b, strict=True)]
    mean = sum(logs) / pairs
    error = math.sqrt(sum((x - mean) ** 2 for x in logs) / (pairs - 1) / pairs)
    assert got.relative
    assert got.seeds == tuple(range(pairs))
    assert got.change == pytest.approx(math.exp(mean))
    assert got.low == pytest.approx(math.exp(mean - T[pairs - 1] * error), rel=1e-3)
    assert got.high == pytest.approx(math.exp(mean + T[pairs - 1] * error), rel=1e-3)
    assert got.p == pytest.approx(2 * stats.t.sf(abs(mean) / error, pairs - 1))


def test_p_with_two_degrees_of_freedom_in_closed_form():
    # P(|T| > t) = 1 - t / sqrt(2 + t^2) for two degrees of freedom
    got = compare(runs("a", [0.8, 0.7, 0.9]), runs("b", [1.0, 1.0, 1.0]), ENERGY)
    logs = np.log([0.8, 0.7, 0.9])
    t = abs(logs.mean()) / (logs.std(ddof=1) / math.sqrt(3))
    assert got.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert got.change == pytest.approx((0.8 * 0.7 * 0.9) ** (1 / 3))
    assert got.direction == -1


def test_seeds_are_paired_by_number_and_not_by_place():
    arm = [run("a", seed, {"energy_mae": value}) for seed, value in ((2, 4.0), (0, 1.0), (1, 2.0))]
    baseline = [run("b", seed, {"energy_mae": value}) for seed, value in ((1, 4.0), (0, 2.0), (2, 8.0), (3, 9.0))]
    got = compare(arm, baseline, ENERGY)
    assert got.seeds == (0, 1, 2)
    assert (got.change, got.low, got.high, got.p) == (0.5, 0.5, 0.5, 0.0)  # half, each time: no variance


def test_only_what_finished_in_both_is_paired():
    arm = [*runs("a", [1.0, 1.0, "diverged", "failed", "unfinished"]), run("a", 5, {"energy_mae": math.nan})]
    got = compare(arm, runs("b", ["failed", 2.0, 2.0, 2.0, 2.0, 2.0]), ENERGY)
    assert got.seeds == (1,)
    assert got.change == pytest.approx(0.5)
    assert got.low is got.high is got.p is None
    assert not got.beyond


def test_a_run_that_did_not_finish_counts_for_nothing_even_with_a_number():
    diverged = run("a", 0, {"energy_mae": 0.1}, status="diverged")
    assert compare([diverged], runs("b", [1.0]), ENERGY) == Comparison(ENERGY, (), True)


def test_identical_values_need_no_variance():
    got = compare(runs("a", [0.1, 0.2, 0.3]), runs("b", [0.1, 0.2, 0.3]), ENERGY)
    assert (got.change, got.low, got.high, got.p, got.direction) == (1, 1, 1, 1, 0)
    assert not got.beyond


@pytest.mark.parametrize("factor", [0.9, 1.1, 1 + 1e-15])
def test_a_constant_ratio_warns_of_nothing(factor):
    baseline = [0.0123, 0.0456, 0.0789]
    got = compare(runs("a", [factor * x for x in baseline]), runs("b", baseline), ENERGY)
    assert got.change == pytest.approx(factor)
    assert got.low == got.high == got.change
    assert got.beyond is (factor in (0.9, 1.1))


def test_what_is_better_when_higher_is_told_as_a_difference():
    arm = [run("a", s, {"efwt": v}) for s, v in enumerate([0.0, 0.02, 0.04])]
    baseline = [run("b", s, {"efwt": v}) for s, v in enumerate([0.0, 0.01, 0.02])]
    got = compare(arm, baseline, EFWT)
    assert not got.relative
    assert got.change == pytest.approx(0.01)
    error = 0.01 / math.sqrt(3)
    assert (got.low, got.high) == pytest.approx((0.01 - T[2] * error, 0.01 + T[2] * error), rel=1e-3)


def test_errors_of_zero_have_no_logarithm():
    got = compare(runs("a", [0.0, 0.1]), runs("b", [0.1, 0.3]), ENERGY)
    assert not got.relative
    assert got.change == pytest.approx(-0.15)


def test_better_is_a_matter_of_direction_and_of_the_spread():
    lower, higher = {"change": 0.5, "p": 0.01}, {"change": 2.0, "p": 0.01}
    assert Comparison(ENERGY, (0, 1), True, **lower).better is True
    assert Comparison(ENERGY, (0, 1), True, **higher).better is False
    assert Comparison(EFWT, (0, 1), False, change=0.1, p=0.01).better is True
    assert Comparison(SECONDS, (0, 1), True, **lower).better is None
    assert Comparison(ENERGY, (0, 1), True, change=0.5, p=0.06).better is None
    assert Comparison(ENERGY, (0, 1), True, change=0.5, p=0.01, p_adjusted=0.06).better is None


def test_the_correction_by_hand():
    ps = {"a": 0.01, "b": 0.04, "c": 0.03, "d": None, "e": 0.5}
    table = {key: Comparison(ENERGY, (0, 1), True, change=0.5, p=p) for key, p in ps.items()}
    got = correct_p_values(table)
    # sorted 0.01 0.03 0.04 0.5, times 4 / rank: 0.04 0.06 0.0533 0.5, then the running minimum from the right
    expected = {"a": 0.04, "b": 0.16 / 3, "c": 0.16 / 3, "e": 0.5}
    assert {key: got[key].p_adjusted for key in expected} == pytest.approx(expected)
    assert got["d"].p_adjusted is None
    assert [key for key in got if got[key].beyond] == ["a"]
    assert [key for key in got if got[key].beyond_alone] == ["a", "b", "c"]
    assert correct_p_values({}) == {}


def test_the_level_holds_on_arms_that_change_nothing():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        a, b = np.exp(rng.normal(0, 0.1, (2, 3)))
        found += compare(runs("a", a), runs("b", b), ENERGY).beyond
    assert 8 <= found <= 33  # 5 % of 400 are 20, three standard deviations are 13
