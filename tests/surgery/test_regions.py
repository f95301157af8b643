from __future__ import annotations

import dataclasses

import pytest
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import find_sites
from ocp_dc.surgery.regions import is_gate, select

from tests.helpers.surgery_toys import BLOCK_PATHS, TABLE, ToyBlocks, ToyGated, ToyShared

ALL = [first for first, _ in BLOCK_PATHS]
WITHOUT_PAPER = dataclasses.replace(TABLE, paper=None)


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("none", []),
        ("output", ["act"]),
        ("full", ALL),
        ("paper", ALL),
        ([r"interactions\.1\."], ["interactions.1.act", "interactions.1.mlp.1"]),
        ([r"mlp", r"^act$"], ["act", "interactions.0.mlp.1", "interactions.1.mlp.1"]),
        ([r"act$", r"^act$"], ["act", "interactions.0.act", "interactions.1.act"]),
        ([r"0\.conv\.filter"], ["interactions.0.mlp.1"]),  # by an alias
    ],
)
def test_what_a_region_selects_in_the_order_of_the_model(region: str | list[str], expected: list[str]) -> None:
    assert [site.paths[0] for site in select(find_sites(ToyBlocks()), region, TABLE)] == expected


def test_paper_is_output_where_the_paper_does_not_have_the_model() -> None:
    assert WITHOUT_PAPER.patterns("paper") == WITHOUT_PAPER.patterns("output") == (r"^act$",)


def test_gates_are_in_no_region() -> None:
    table = dataclasses.replace(TABLE, gates=("envelope",))
    sites = find_sites(ToyGated())
    assert [site.paths[0] for site in sites if is_gate(site, table)] == ["envelope"]
    for region in ("full", "paper", ["e"]):
        assert [site.paths[0] for site in select(sites, region, table)] == ["hidden"]
    with pytest.raises(UserError, match="'envelope' matches no activation"):
        select(sites, ["envelope"], table)


def test_unknown_region() -> None:
    with pytest.raises(UserError) as error:
        TABLE.patterns("outputs")
    message = str(error.value)
    assert message.startswith("dc.region: ")
    assert "'outputs'" in message
    assert "none, output, full, paper" in message
    assert "Did you mean 'output'?" in message


@pytest.mark.parametrize("region", [[], [1], ["act", None], 3, {"output": True}])
def test_a_region_of_the_wrong_kind(region: object) -> None:
    with pytest.raises(UserError, match=r"^dc\.region: got .* expected one of none, output, full, paper, or a"):
        TABLE.patterns(region)


def test_a_pattern_that_is_no_regular_expression() -> None:
    with pytest.raises(UserError, match=r"'\(act' is not a valid regular expression: "):
        TABLE.patterns(["act", "(act"])


def test_a_pattern_that_matches_nothing_lists_what_there_is() -> None:
    with pytest.raises(UserError) as error:
        select(find_sites(ToyShared()), ["own", "frist.1"], TABLE)
    message = str(error.value)
    assert "'frist.1' matches no activation" in message
    assert "Did you mean 'first.1'?" in message
    for path in ("own", "first.1", "second.1"):
        assert f"\n  {path}" in message


def test_a_model_without_activations() -> None:
    with pytest.raises(UserError, match="the model holds no activation within reach"):
        select(find_sites(nn.Linear(1, 1)), "full", TABLE)
