from __future__ import annotations

from ocp_dc.study.report.equal_terms import describe_equal_terms
from ocp_dc.study.report.groups import gather

from tests.helpers.studies import run, study


def said(*arms):
    return describe_equal_terms(gather(study(*arms))[0])


def test_all_the_same():
    arms = [[run(arm, seed, weights=f"w{seed}") for seed in (0, 1)] for arm in ("stock", "irelu")]
    assert said(*arms) == "schnet on ethanol: with each seed all arms began with the same weights."


def test_another_architecture():
    stock, irelu = ([run(arm, seed, weights=f"w{seed}") for seed in (0, 1)] for arm in ("stock", "irelu"))
    other = [run("bare", seed, weights=f"v{seed}") for seed in (0, 1)]
    one = [run("one", 0, weights="w0"), run("one", 1, weights="v1")]
    assert said(stock, irelu, other, one) == (
        "schnet on ethanol: bare (seeds 0, 1) and one (seed 1) began with other weights than the baseline, as arms "
        "with other parameters may; the others began with the baseline's, seed by seed."
    )


def test_what_is_not_known():
    assert said([run("stock", weights=None)], [run("irelu")]) == "schnet on ethanol: Unknown for irelu (seed 0)."
    nothing = said([run("stock", weights=None)], [run("irelu", status="unfinished", weights=None)])
    assert nothing == "schnet on ethanol: no initial weights to compare."
