"""The journal: the same choices after any interruption, also where Optuna proposes them from earlier trials."""

from __future__ import annotations

import math

import pytest
from optuna.trial import TrialState

from ocp_dc.study.search.journal import FILE, Journal, importances
from ocp_dc.study.search.local import mend_journal
from ocp_dc.study.search.space import read_space

KEY = ("schnet", "dc")
SPACE = read_space(
    {
        "rate": {"low": 1.0e-4, "high": 1.0, "log": True},
        "width": {"low": 8, "high": 64, "step": 8},
        "act": ["mish", {"name": "irelu"}],
    },
    "space",
)
TRIALS = 40  # more than Optuna draws at random


def make_trials(folder, *, goals=1, interrupted=False, parallel=False, seed=0):
    """Make trials whose score is best at a rate of 0.01, one in four diverges, and bad ones are pruned."""
    folder.mkdir()
    chosen = []
    journal = Journal(folder, seed, parallel)
    journal.create(KEY, goals, {"rate": 0.5})
    for count in range(TRIALS):
        number = journal.new_trial(KEY)
        assert number == count
        values = journal.choose(KEY, number, SPACE)
        if interrupted:  # another process goes on
            journal = Journal(folder, seed, parallel)
            journal.create(KEY, goals, {"rate": 0.5})
            assert journal.choose(KEY, number, SPACE) == values
        score = abs(math.log10(values["rate"]) + 2) + 0.3 * values["width"] / 64
        diverged, pruned = number % 4 == 3, score > 1
        journal.report(KEY, number, 0, math.inf if diverged else score, {} if diverged else {"a": score})
        journal.finish(KEY, number, None if diverged or pruned else [score] * goals)
        chosen.append(values)
    return chosen, journal


def test_an_interrupted_search_makes_the_same_choices(tmp_path):
    chosen, _ = make_trials(tmp_path / "a")
    assert make_trials(tmp_path / "b", interrupted=True)[0] == chosen
    assert make_trials(tmp_path / "c", seed=1)[0] != chosen


def test_the_first_trial_has_the_given_values_and_later_ones_are_better(tmp_path):
    chosen, _ = make_trials(tmp_path / "a")
    assert chosen[0]["rate"] == 0.5
    distance = [abs(math.log10(values["rate"]) + 2) for values in chosen]
    assert sum(distance[-10:]) < 0.7 * sum(distance[:10])
    assert len({values["rate"] for values in chosen}) == TRIALS


def test_arms_share_their_first_trials(tmp_path):
    _, journal = make_trials(tmp_path / "a")
    other = ("schnet", "stock")
    journal.create(other, 1, {})
    number = [journal.new_trial(other) for _ in range(2)][1]
    smaller = {name: SPACE[name] for name in ("width", "rate")}
    own = journal.trials(KEY)[1].params
    assert journal.choose(other, number, smaller) == {n: SPACE[n].value(own[n]) for n in smaller}


@pytest.mark.parametrize("goals", [1, 2])
def test_trials_side_by_side_and_two_goals(tmp_path, goals):
    chosen, journal = make_trials(tmp_path / "a", goals=goals, parallel=True)
    states = [trial.state for trial in journal.trials(KEY)]
    assert states.count(TrialState.PRUNED) >= TRIALS // 4
    assert len({values["rate"] for values in chosen}) == TRIALS


def test_importances(tmp_path):
    _, journal = make_trials(tmp_path / "a")
    scored = [(t, t.intermediate_values[0]) for t in journal.trials(KEY) if t.number % 4 != 3]
    found = importances(scored)
    assert max(found, key=lambda name: found[name]) == "rate"
    assert sum(found.values()) == pytest.approx(1)
    assert importances(scored[:3]) == {}


def test_a_line_that_was_cut_off_is_removed(tmp_path):
    make_trials(tmp_path / "a")
    path = tmp_path / "a" / FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"wor')
    mend_journal(path)
    assert path.read_bytes() == whole
    mend_journal(tmp_path / "none")
    assert Journal(tmp_path / "a", 0).new_trial(KEY) == TRIALS
