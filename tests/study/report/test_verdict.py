from __future__ import annotations

import pytest

from ocp_dc.study.report.groups import gather
from ocp_dc.study.report.sentences import sentence
from ocp_dc.study.report.verdict import Verdict, build_verdict

from tests.helpers.studies import EFWT, ENERGY, FORCES, run, runs, study

BASE = ([0.0100, 0.0110, 0.0120], [0.050, 0.055, 0.060])
# Against BASE by hand: the logarithms of the ratios are their means and two equal steps about them, so that the
# standard error is step / sqrt(3), and the interval the mean and 4.3027 of it.
FAR = ([0.0100 * 0.75, 0.0110 * 0.76, 0.0120 * 0.77], [0.050 * 0.85, 0.055 * 0.86, 0.060 * 0.87])
NEAR = ([0.0100 * 0.9, 0.0110 * 1.0, 0.0120 * 1.05], [0.050 * 1.1, 0.055 * 0.95, 0.060 * 1.0])


def verdict_on(*arms) -> Verdict:
    results = study(*arms)
    (group,) = gather(results)
    return build_verdict(results, group)


def test_an_arm_that_leads_on_both():
    got = verdict_on(runs("stock", *BASE), runs("irelu", *FAR))
    assert got.title == "schnet on ethanol"
    assert got.arms == {
        "irelu": "Energy MAE lower by 24 % (95 % interval 21 to 26 %), beyond the spread over 3 seeds; "
        "forces MAE lower by 14 % (95 % interval 11 to 16 %), beyond the spread over 3 seeds."
    }
    assert got.overall == (
        "Energy MAE: irelu is lowest; against the baseline, the runner-up: 24 % lower, beyond the spread over 3 seeds.",
        "Forces MAE: irelu is lowest; against the baseline, the runner-up: 14 % lower, beyond the spread over 3 seeds.",
        "The same arm leads on both.",
    )


def test_no_difference_is_said_with_its_interval():
    got = verdict_on(runs("stock", *BASE), runs("near", *NEAR))
    assert got.arms["near"] == (
        "Energy MAE: no difference beyond the spread over 3 seeds (−1.9 %, 95 % interval −19 to +19 %); "
        "forces MAE: no difference beyond the spread over 3 seeds (+1.5 %, 95 % interval −16 to +22 %)."
    )
    assert got.overall == (
        "Energy MAE: near is lowest; against the baseline, the runner-up: "
        "no difference beyond the spread over 3 seeds (−1.9 %).",
        "Forces MAE: stock is lowest, and is the baseline; against the runner-up, near: "
        "no difference beyond the spread over 3 seeds (−1.5 %).",
        "No arm leads on both.",
    )


def test_better_on_one_and_worse_on_the_other():
    mixed = runs("mixed", FAR[0], [1.5 * 0.050, 1.6 * 0.055, 1.7 * 0.060])
    got = verdict_on(runs("stock", *BASE), mixed)
    assert got.arms["mixed"] == (
        "Energy MAE lower by 24 % (95 % interval 21 to 26 %), beyond the spread over 3 seeds; "
        "forces MAE higher by 60 % (95 % interval 37 to 87 %), beyond the spread over 3 seeds. "
        "Better on energy MAE, worse on forces MAE."
    )
    assert got.overall[2:] == (
        "No arm leads on both.",
        "mixed is better on energy MAE, worse on forces MAE than the baseline.",
    )


def test_a_large_change_is_told_as_a_factor():
    tenth = runs("tenth", [0.1 * x for x in FAR[0]], [12 * x for x in BASE[1]])
    assert verdict_on(runs("stock", *BASE), tenth).arms["tenth"] == (
        "Energy MAE lower by a factor of 13 (95 % interval 13 to 14), beyond the spread over 3 seeds; "
        "forces MAE higher by a factor of 12 (95 % interval 12 to 12), beyond the spread over 3 seeds. "
        "Better on energy MAE, worse on forces MAE."
    )


def test_one_seed_gets_no_verdict():
    got = verdict_on(runs("stock", [0.01], [0.05]), runs("irelu", [0.001], [0.005]))
    assert got == Verdict("schnet on ethanol", ("One seed: no verdict.",), {"irelu": "One seed: no verdict."})


def test_seeds_that_diverged_stand_first_and_keep_an_arm_from_the_ranking():
    shaky = runs("shaky", [0.001, "diverged: diverged at step 312: the loss is NaN", "diverged: diverged at step 40"])
    got = verdict_on(runs("stock", *BASE), runs("irelu", *FAR), shaky)
    assert got.arms["shaky"] == (
        "Diverged with 2 of 3 seeds: at step 312 (seed 1), at step 40 (seed 2). "
        "One seed in common with the baseline: no verdict."
    )
    assert got.overall[0].startswith("Energy MAE: irelu is lowest")
    assert got.overall[-1] == "Not ranked: shaky (1 done, 2 diverged of 3)."


def test_two_of_three_seeds_are_called_that():
    arm = runs("irelu", [*FAR[0][:2], "diverged"], FAR[1])
    got = verdict_on(runs("stock", *BASE), arm)
    assert got.arms["irelu"] == (
        "Diverged with 1 of 3 seeds: seed 2. Energy MAE lower by 25 % (95 % interval 18 to 31 %), beyond the spread "
        "over the 2 of 3 seeds that finished in both; forces MAE lower by 15 % (95 % interval 7.9 to 21 %), beyond the "
        "spread over the 2 of 3 seeds that finished in both."
    )
    assert got.overall == (
        "No ranking: only stock finished with as many seeds and diverged with none.",
        "Not ranked: irelu (2 done, 1 diverged of 3).",
    )
    both = verdict_on(
        runs("stock", [*BASE[0], "diverged"], [*BASE[1], 0]), runs("irelu", [*FAR[0], "diverged"], [*FAR[1], 0])
    )
    assert both.overall[0] == "No ranking: each arm that finished diverged with a seed."


def test_holes_are_named():
    arm = runs("irelu", ["failed: out of memory.\nTraceback", "unfinished", FAR[0][2]], FAR[1])
    got = verdict_on(runs("stock", *BASE), arm, runs("none", ["unfinished", "unfinished", "failed"]))
    assert got.arms["irelu"] == (
        "Failed with 1 of 3 seeds: out of memory (seed 0). Unfinished with 1 of 3 seeds: seed 1. "
        "One seed in common with the baseline: no verdict."
    )
    assert got.arms["none"] == "Failed with 1 of 3 seeds: seed 2. Unfinished with 2 of 3 seeds: seed 0, seed 1."


def test_a_long_reason_is_cut():
    got = verdict_on(runs("stock", ["failed: " + 200 * "x"]))
    assert got.arms["stock"] == f"Failed with 1 of 1 seed: {80 * 'x'} … (seed 0)."


def test_a_baseline_with_holes_is_told_of():
    got = verdict_on(runs("stock", [*BASE[0][:1], "diverged", "failed"], BASE[1]), runs("irelu", *FAR))
    assert got.arms["stock"] == "Diverged with 1 of 3 seeds: seed 1. Failed with 1 of 3 seeds: seed 2."
    assert got.arms["irelu"] == "One seed in common with the baseline: no verdict."


def test_nothing_finished():
    got = verdict_on(runs("stock", ["failed", "unfinished"]), runs("irelu", ["diverged", "diverged"]))
    assert got.overall == ("Nothing has finished: no verdict.",)
    assert got.arms["irelu"] == "Diverged with 2 of 2 seeds: seed 0, seed 1."


def test_only_the_baseline_finished():
    got = verdict_on(runs("stock", *BASE), runs("irelu", ["unfinished"] * 3))
    assert got.overall == ("Only the baseline, stock, has finished: nothing to compare.",)


def test_without_a_baseline_there_is_no_verdict():
    got = verdict_on(runs("stock", ["failed"] * 3), runs("irelu", *FAR), runs("near", *NEAR))
    assert got.arms["irelu"] == "No seed in common with the baseline: no verdict."
    assert got.overall[0].startswith(
        "Energy MAE: irelu is lowest; against the baseline: no seed in common, no verdict; "
    )


def test_what_many_comparisons_make_of_a_difference():
    # log ratios -0.10, -0.13, -0.16: t = 0.13 / (0.03 / sqrt(3)) = 7.5, p = 0.0173; as the least of 10, 0.17
    arm = runs("irelu", [0.0100 * 0.9048, 0.0110 * 0.8781, 0.0120 * 0.8521], NEAR[1])
    others = [runs(f"near {i}", *NEAR) for i in range(4)]
    got = verdict_on(runs("stock", *BASE), arm, *others)
    assert got.arms["irelu"].startswith(
        "Energy MAE lower by 12 % (95 % interval 5.4 to 18 %), beyond the spread over 3 seeds taken alone, "
        "not among 10 comparisons; "
    )
    assert (
        "against the baseline: 12 % lower, beyond the spread over 3 seeds taken alone, not among 10 comparisons"
        in (got.overall[0])
    )


def test_the_same_numbers():
    got = verdict_on(runs("stock", *BASE), runs("same", *BASE))
    assert got.arms["same"] == "Energy MAE the same with each of 3 seeds; forces MAE the same with each of 3 seeds."


def test_a_study_of_other_quantities():
    quantities = (ENERGY, EFWT.__class__("efwt", "EFwT", "fraction", lower_is_better=False, primary=True))
    base = [run("stock", s, {"energy_mae": 1.0 + s, "efwt": 0.1 + 0.01 * s}) for s in range(3)]
    arm = [run("arm", s, {"energy_mae": 1.0 + s, "efwt": 0.2 + 0.02 * s}) for s in range(3)]
    results = study(base, arm, quantities=quantities)
    got = build_verdict(results, gather(results)[0])
    # differences of 10, 11 and 12 %: 11 and 4.3027 / sqrt(3) about it
    assert got.arms["arm"].endswith("EFwT higher by 11 % (95 % interval 8.5 to 13 %), beyond the spread over 3 seeds.")
    assert got.overall[1].startswith("EFwT: arm is highest; against the baseline, the runner-up: 11 % higher, beyond")


@pytest.mark.parametrize("quantity", [ENERGY, FORCES])
def test_a_quantity_that_a_run_lacks(quantity):
    base, arm = runs("stock", BASE[0]), runs("irelu", FAR[0])
    got = verdict_on(base, arm)
    assert "forces MAE: no seed in common with the baseline: no verdict" in got.arms["irelu"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("energy MAE: lower", "Energy MAE: lower."), ("nRMSE: lower", "nRMSE: lower."), ("one seed", "One seed.")],
)
def test_names_keep_their_small_letters(text, said):
    assert sentence(text) == said
