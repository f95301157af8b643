"""The identifiers of planned runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocp_dc.study.plan import Choices

from tests.helpers.small_study import CONFIGS, SMALL, plan

FACTORS = [f"OutBlock_{block}_sum" for block in range(4)] + [
    f"{name}_{block}_{kind}"
    for block in range(1, 4)
    for name, kind in (("TripInteraction", "had_rbf"), ("TripInteraction", "sum_cbf"), ("AtomUpdate", "sum"))
]  # of configs/md17/gemnet_t-stock.yml


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


def test_identifiers_are_stable_and_know_all_that_matters(out, tmp_path):
    ids = {run.id for run in plan(out, tmp_path).runs}
    assert {run.id for run in plan(out, tmp_path, title="other").runs} == ids
    assert {run.id for run in plan(out, tmp_path, seeds=[1, 0, 2]).runs} > ids
    for other in ({"common": {**SMALL, "optim.batch_size": 5}}, {"budget": {"epochs": 4}}):
        assert not {run.id for run in plan(out, tmp_path, **other).runs} & ids


def test_identifiers_go_with_the_scale_factors(out, tmp_path):
    scales = tmp_path / "scales.json"
    changes: dict[str, Any] = {"base": str(CONFIGS / "md17" / "gemnet_t-stock.yml"), "seeds": [0]}
    changes |= {"common": {"model.scale_file": str(scales)}, "arms": {"a": {}}}
    ids = []
    for factor in (1.0, 1.0, 2.0):
        scales.write_text(json.dumps(dict.fromkeys(FACTORS, factor)))
        ids += [run.id for run in plan(out, tmp_path, **changes).runs]
    assert ids[0] == ids[1] != ids[2]


def test_identifiers_go_with_the_data_not_with_their_place(out, tmp_path):
    plan(out, tmp_path)  # prepares the data
    (tmp_path / "elsewhere").symlink_to(out / "data")
    first, second = (
        plan(out, tmp_path, Choices(data=[f"d={folder / 'ethanol-40-10-10'}"])).runs[0]
        for folder in (out / "data", tmp_path / "elsewhere")
    )
    assert first.id == second.id
    assert first.config["dataset"]["train"]["src"] != second.config["dataset"]["train"]["src"]
