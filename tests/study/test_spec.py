from typing import Any

import pytest
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.study.options import budget_from_text, budget_options
from ocp_dc.study.spec import read_study

STUDY = {
    "title": "t",
    "base": "{model}.yml",
    "models": ["schnet", "gemnet_t"],
    "axes": {"activation": {"original": {}, "irelu": {"model.dc.activation": "irelu"}}, "place": {"out": None, 1: {}}},
    "budget": {"epochs": 3},
}


def read(tmp_path, **changes):
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump({**STUDY, **changes}, sort_keys=False))
    return read_study(path)


def test_arms_are_all_combinations(tmp_path):
    study = read(tmp_path)
    assert [arm.name for arm in study.arms] == ["original / out", "original / 1", "irelu / out", "irelu / 1"]
    assert study.baseline == "original / out"
    assert study.arms[2].changes[0] == ("axes.activation.irelu", {"model.dc.activation": "irelu"})


def test_excluded_combinations(tmp_path):
    study = read(tmp_path, exclude=[{"activation": "original", "place": 1}, {"model": "gemnet_t", "place": "1"}])
    assert [arm.name for arm in study.arms] == ["original / out", "irelu / out", "irelu / 1"]
    assert [study.includes("gemnet_t", arm) for arm in study.arms] == [True, True, False]
    assert all(study.includes("schnet", arm) for arm in study.arms)


def test_named_arms_stand_beside_the_axes(tmp_path):
    study = read(tmp_path, arms={"other": {"base": "b.yml", "optim.lr_initial": 1.0}, "none": None})
    assert [arm.name for arm in study.arms[-2:]] == ["other", "none"]
    assert (study.arms[-2].base, study.arms[-2].changes) == ("b.yml", (("arms.other", {"optim.lr_initial": 1.0}),))
    assert not read(tmp_path, axes=None, arms={"a": {}, "b": {}}, exclude=[{"arm": "b", "model": "schnet"}]).includes(
        "schnet", study.arms[-1].__class__("b", (), values={"arm": "b"})
    )


def test_includes(tmp_path):
    (tmp_path / "_base.yml").write_text(yaml.safe_dump({"seeds": [5, 6], "title": "base"}))
    study = read(tmp_path, includes=["_base.yml"])
    assert (study.options.seeds, study.options.title) == ([5, 6], "t")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axis": {}}, "unknown key 'axis'.*Did you mean 'axes'"),
        ({"base": None}, "base is missing"),
        ({"models": None}, r"models: missing; base has \{model\}"),
        ({"models": "schnet"}, "models: got 'schnet'"),
        ({"axes": None}, "arms: missing"),
        ({"axes": {"place": {}}}, "axes.place: got"),
        ({"seeds": [0, 0]}, "seeds: got"),
        ({"seeds": [True]}, "seeds: got"),
        ({"seeds": "012"}, "seeds: got"),
        ({"baseline": "orignal / out"}, "unknown arm in baseline 'orignal / out'.*Did you mean 'original / out'"),
        ({"exclude": [{"plase": "out"}]}, r"exclude\[0\]: unknown key 'plase'.*Did you mean 'place'"),
        ({"exclude": [{"place": "uot"}]}, "unknown value of place"),
        ({"exclude": [{"model": "schnet", "activation": "original"}]}, "leaves out the baseline"),
        ({"may_differ": ["seeds"]}, "unknown entry in may_differ"),
        ({"engine": "jax"}, "engine: got 'jax'"),
        ({"includes": ["study.yml"]}, "includes itself"),
        ({"includes": ["none.yml"]}, "no such file"),
        ({"includes": "none.yml"}, "includes: got 'none.yml', expected a list of YAML files"),
        ({"includes": [3]}, r"includes: got \[3\], expected a list of YAML files"),
        ({"arms": ["irelu"]}, r"arms: got \['irelu'\], expected a block \(named arms"),
        ({"arms": {"irelu": "irelu"}}, r"arms\.irelu: got 'irelu', expected a block"),
        ({"axes": {"place": {"out": 3}}}, r"axes\.place\.out: got 3, expected a block"),
        ({"data": 3}, "data: got 3, expected a block"),
        ({"smoke": "yes"}, "smoke: got 'yes', expected a block"),
        ({"common": ["a"]}, r"common: got \['a'\], expected a block"),
        ({"exclude": 3}, "exclude: got 3, expected a list"),
        ({"exclude": ["out"]}, r"exclude\[0\]: got 'out', expected a block"),
        ({"may_differ": [["gradients"]]}, r"may_differ\[0\]: got \['gradients'\], expected a text"),
    ],
)
def test_bad_studies(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        read(tmp_path, **changes)


@pytest.mark.parametrize("name", ["a\nb", "\0", "\x1b[31m", "\u2028"])
@pytest.mark.parametrize("key", ["arms", "models", "data"])
def test_names_that_break_a_table(tmp_path, key, name):
    blocks = {"arms": {"original": {}, name: {}}, "models": {name: {}}, "data": {name: {"sample": "ethanol"}}}
    path = tmp_path / "study.yml"
    path.write_text(yaml.safe_dump({"base": "b.yml", "arms": {"original": {}}, key: blocks[key]}))
    with pytest.raises(UserError, match=f"{key}: got the name .* one line of printable characters"):
        read_study(path)


def test_names_in_any_script_are_fine(tmp_path):
    path = tmp_path / "study.yml"
    arms: dict[str, dict[str, Any]] = {"original": {}, "ReLU³ / 6 – né\u00a0e": {}, "می\u200cخواهم": {}, "<b>": {}}
    path.write_text(yaml.safe_dump({"base": "b.yml", "arms": arms}, allow_unicode=True, sort_keys=False))
    assert [arm.name for arm in read_study(path).arms] == list(arms)


def test_no_yaml(tmp_path):
    path = tmp_path / "study.yml"
    path.write_text("a: [")
    with pytest.raises(UserError, match="not YAML"):
        read_study(path)
    for text, message in (
        ("- a", "got a list instead of blocks; expected a study"),
        ("title: a\ntitle: b", "the key 'title' is repeated in one block, in line 2"),
        ("trainer: dc\nmodel: {}", "is a run config of a potential; `ocp-dc main --config-yml` takes it"),
        ("task: advection\nnetwork: {}", "is a physics-informed task; `ocp-dc pinn train` takes it"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_study(path)


@pytest.mark.parametrize(
    ("text", "block"), [("8 epochs", {"epochs": 8}), ("1.5minutes", {"minutes": 1.5}), ("full", None)]
)
def test_budgets_of_the_command_line(text, block):
    assert budget_from_text(text) == block


@pytest.mark.parametrize("text", ["", "8", "1.5 epochs", "epochs 8", "-1 steps"])
def test_bad_budgets_of_the_command_line(text):
    with pytest.raises(UserError, match="--budget"):
        budget_from_text(text)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({}, "none of epochs, steps and minutes"),
        ({"epochs": 1, "steps": 1}, "epochs and steps"),
        ({"epochs": 0}, "epochs: got 0"),
        ({"epochs": 1.5}, "epochs: got 1.5"),
        ({"minutes": True}, "minutes: got True"),
        ({"minutes": 0}, "minutes: got 0"),
        ({"epochs": 1, "trian": 3}, "Did you mean 'train'"),
    ],
)
def test_bad_budgets(block, words):
    with pytest.raises(UserError, match=words):
        budget_options(block)


def test_a_budget_in_words():
    assert str(budget_options({"steps": 5, "test": 9})) == "5 steps, at most 9 test structures"
