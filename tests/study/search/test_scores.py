"""Scores of trials, and which of them go on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ocp_dc.study.search.scores import goes_on, pareto_front, score


def errors(energy, forces):
    return {"energy_mae": energy, "forces_mae": forces}


def test_a_score_is_a_weighted_mean_of_logarithms():
    runs = [errors(0.1, 0.2), errors(0.3, 0.4)]
    expected = (2 * math.log(0.1 * 0.3) + math.log(0.2 * 0.4)) / 2 / 3
    assert score(runs, (2, 1)) == pytest.approx(expected)
    assert score(runs, (1, 0)) == pytest.approx(math.log(0.03) / 2)


def test_units_and_sizes_of_data_sets_do_not_matter():
    before = score([errors(0.1, 0.2), errors(1.0, 2.0)], (1, 1)) - score([errors(0.2, 0.2), errors(1.5, 2.0)], (1, 1))
    after = score([errors(100, 0.2), errors(1.0, 20)], (1, 1)) - score([errors(200, 0.2), errors(1.5, 20)], (1, 1))
    assert before == pytest.approx(after)


def test_the_best_share_goes_on():
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 24):
        scores = rng.permutation(count).astype(float)
        for keep in (0.1, 0.33, 0.5, 1.0):
            passing = [s for i, s in enumerate(scores) if goes_on(s, [*scores[:i], *scores[i + 1 :]], keep)]
            assert sorted(passing) == list(range(max(1, math.floor(keep * count + 1e-9))))


def test_diverged_trials_take_no_place():
    assert goes_on(0.0, [math.inf, math.inf], 0.33)
    assert not goes_on(0.0, [-1.0, math.inf, math.inf, math.inf], 0.33)
    assert goes_on(0.0, [-1.0, math.inf, math.inf, math.inf, math.inf, math.inf], 0.33)


def test_the_pareto_front():
    points = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0), (2.0, 3.0), (1.0, 3.0)]
    assert pareto_front(points) == [0, 1, 2, 4]
