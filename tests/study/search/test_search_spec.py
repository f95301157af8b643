"""The file of a search, and its JSON Schema."""

from __future__ import annotations

import dataclasses

import pytest

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.study.options import BudgetOptions
from ocp_dc.study.schema import search_schema
from ocp_dc.study.search.options import RungOptions, SearchOptions, share_of
from ocp_dc.study.search.spec import load_search, read_search
from ocp_dc.study.spec import read_study

from tests.helpers.schemas import content, places, shipped, validator
from tests.helpers.small_search import SPACE, write_search

SCHEMA = validator(search_schema())


def read(folder, **changes):
    return read_search(*load_search(write_search(folder, **changes)))


def test_an_arm_adds_to_the_space(tmp_path):
    own = {"model.dc.elsewhere": ["original", "mish"], "optim.batch_size": [1, 2]}
    search = read(tmp_path, arms={"stock": {}, "dc": {"space": own, "model.dc.region": "output"}})
    assert list(search.spaces["stock"]) == list(SPACE)
    assert search.spaces["dc"].keys() == {*SPACE, "model.dc.elsewhere"}
    assert search.spaces["dc"]["optim.batch_size"].values == (1, 2)
    assert search.arm("dc").changes == (("arms.dc", {"model.dc.region": "output"}),)


def test_a_pareto_search_has_one_rung(tmp_path):
    search = read(tmp_path, objective="pareto")
    assert (search.weights, search.goals) == (None, 2)
    assert search.rungs == (RungOptions(1, [0]),)
    assert read(tmp_path).weights == (1.0, 1.0)
    assert read(tmp_path, objective={"forces": 2}).weights == (0.0, 2.0)


def test_a_share_of_a_budget():
    assert share_of(BudgetOptions(epochs=10), 0.25).epochs == 2
    assert share_of(BudgetOptions(epochs=2), 0.1).epochs == 1
    assert share_of(BudgetOptions(minutes=2.0, train=5), 0.25) == BudgetOptions(minutes=0.5, train=5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine": "pinn"}, "engine: got 'pinn', expected fairchem"),
        ({"space": {}}, "has no values to choose from"),
        ({"trails": 3}, "unknown key 'trails'.*trials"),
        ({"trials": 0}, "trials: got 0"),
        ({"keep": 0}, "keep: got 0"),
        ({"objective": "paerto"}, "pareto"),
        ({"objective": {"energy": 0}}, "no weight above zero"),
        ({"objective": {"stress": 1}}, "unknown key 'stress'"),
        ({"rungs": []}, "rungs: got"),
        ({"rungs": [{"share": 1}, {"share": 0.5}]}, "shares that do not decrease"),
        ({"rungs": [{"share": 1, "seeds": [0, 0]}]}, r"rungs\[0\].seeds"),
        ({"budget": None}, "budget is missing"),
        ({"seeds": [0]}, "unknown key 'seeds'"),
        ({"arms": {"dc": {"space": {"a": [1]}}}}, "arms.dc.space.a"),
        ({"arms": {"dc": {"models": {"schnte": {}}}}}, "arms.dc.models.*schnet"),
    ],
)
def test_what_is_refused(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, **changes)


def test_a_search_is_no_study(tmp_path):
    path = write_search(tmp_path)
    with pytest.raises(UserError, match="is a search; `ocp-dc study search` takes it"):
        read_study(path)
    with pytest.raises(UserError, match="is a study; `ocp-dc study run` takes it"):
        load_search("studies/coefficient")


def test_without_optuna(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["study", "search", str(write_search(tmp_path)), "--out", str(tmp_path / "out")]) == 2
    assert "pip install 'ocp_dc[search]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", shipped("searches"), ids=lambda path: path.stem)
def test_a_search_that_ships(path, tmp_path):
    assert places(SCHEMA, content(path)) == []
    search = read_search(*load_search(path))
    assert {"stock", "dc"} <= set(search.spaces)
    model = next(iter(search.study.models))
    command = ["study", "search", f"searches/{path.stem}", "--out", str(tmp_path), "--dry-run", "--models", model]
    assert main(command) == 0


@pytest.mark.parametrize(
    ("search", "wrong"),
    [
        ({"space": {"a": [1, 2], "b": {"low": 1, "high": 2, "log": True}}}, []),
        ({"space": {"a": [1]}}, ["space.a"]),
        ({"space": {"a": {"low": 1}}}, ["space.a"]),
        ({"space": {"a": {"low": 1, "high": "2"}}}, ["space.a.high"]),
        ({"space": {"fairchem1": {"a": [1, 2]}, "fairchem2": {"b": 3}}}, ["space.fairchem2.b"]),
        ({"rungs": [{"share": 2}]}, ["rungs[0].share"]),
        ({"rungs": [{"shares": 1}]}, ["rungs[0]"]),
        ({"objective": "pareto"}, []),
        ({"objective": {"stress": 1}}, ["objective"]),
        ({"budget": {"epochs": 3, "steps": 3}}, ["budget"]),
        ({"seeds": [0]}, [""]),
    ],
)
def test_the_schema(search, wrong):
    assert places(SCHEMA, search) == wrong


def test_every_option_is_in_the_schema():
    assert set(search_schema()["properties"]) == {"includes", *(f.name for f in dataclasses.fields(SearchOptions))}
