from __future__ import annotations

import dataclasses

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


def with_weights(arm, **weights):
    return [dataclasses.replace(run(arm), initial_weights=weights)]


def test_arms_are_compared_by_the_parameters_that_each_shares_with_the_baseline():
    stock = with_weights("stock", lin="a", norm="b", out="c")
    bare = with_weights("bare", lin="a", out="c")  # its norms are removed
    other = with_weights("other", lin="a", norm="b", out="d")  # another output layer, which bare alone would not hide
    model = with_weights("model", kernel="e")  # another architecture
    assert said(stock, bare) == "schnet on ethanol: with each seed all arms began with the same weights."
    assert said(stock, bare, other).startswith("schnet on ethanol: other (seed 0) began with other weights")
    assert said(stock, bare, other, model).startswith("schnet on ethanol: other (seed 0) began with other weights")
    assert said(stock, bare, model) == (
        "schnet on ethanol: with each seed all other arms began with the baseline's weights. Unknown for model (seed "
        "0), which have no parameters of the baseline to compare."
    )


def test_what_is_not_known():
    unknown = "Unknown for irelu (seed 0), which have no parameters of the baseline to compare."
    assert said([run("stock", weights=None)], [run("irelu")]) == f"schnet on ethanol: {unknown}"
    nothing = said([run("stock", weights=None)], [run("irelu", status="unfinished", weights=None)])
    assert nothing == "schnet on ethanol: no initial weights to compare."
