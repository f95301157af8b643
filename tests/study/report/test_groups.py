from __future__ import annotations

import math
from typing import Any

from ocp_dc.study.report.groups import gather

from tests.helpers.studies import EFWT, ENERGY, FORCES, SECONDS, run, runs, study


def test_a_group_for_each_model_and_data_set_that_has_runs():
    schnet, gemnet = runs("a", [1.0]), runs("a", [2.0], model="gemnet_t", data="aspirin")
    groups = gather(study(schnet, gemnet))
    assert [group.title for group in groups] == ["schnet on ethanol", "gemnet_t on aspirin"]
    assert groups[1].arms["a"].mean(ENERGY) == 2
    assert math.isnan(groups[1].arms["a"].mean(FORCES))


def test_the_ranking_is_of_arms_on_equal_terms():
    arms = [
        runs("b", [3.0, 3.0, 3.0]),
        runs("a", [2.0, 2.0, 2.0]),
        runs("diverged", [0.1, 0.1, "diverged"]),
        runs("failed", [0.1, "failed", 0.1]),
        runs("unfinished", ["unfinished"] * 3),
    ]
    (group,) = gather(study(*arms))
    assert [arm.name for arm in group.ranking(ENERGY)] == ["a", "b"]
    assert group.ranking(SECONDS) == []


def test_the_ranking_of_a_study_that_still_runs():
    (group,) = gather(study(runs("b", [3.0, "unfinished"]), runs("a", ["unfinished", 2.0])))
    assert [arm.name for arm in group.ranking(ENERGY)] == ["a", "b"]


def test_what_is_better_when_higher_ranks_downwards():
    arms = [[run("low", 0, {"efwt": 0.1})], [run("high", 0, {"efwt": 0.4})]]
    (group,) = gather(study(*arms, quantities=[EFWT]))
    assert [arm.name for arm in group.ranking(EFWT)] == ["high", "low"]


def test_primary_comparisons_are_corrected_as_one_table():
    arms = [runs(name, [1.0 * f, 1.1 * f, 1.3 * f * f]) for name, f in (("b", 1.0), ("x", 0.8), ("y", 0.7))]
    (group,) = gather(study(*arms))
    compared = [group.arms[name].against_baseline["energy_mae"] for name in "xy"]
    p_values: list[Any] = [each.p for each in compared]
    adjusted: list[Any] = [each.p_adjusted for each in compared]
    assert group.arms["b"].against_baseline == {}
    low, high = sorted(p_values)
    assert sorted(adjusted) == [min(2 * low, high), high]
