import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.study.deltas import apply_changes

CONFIG: dict[str, Any] = {
    "model": {"name": "dc_schnet", "dc": {"activation": {"name": "irelu", "coefficient": 0.25}}},
    "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}, {"forces": {"fn": "mae", "coefficient": 30}}],
}


def test_what_a_path_names_is_replaced_whole():
    after = apply_changes(CONFIG, {"model.dc.activation": {"name": "mish"}}, "arms.mish")
    assert after["model"] == {"name": "dc_schnet", "dc": {"activation": {"name": "mish"}}}
    assert CONFIG["model"]["dc"]["activation"]["coefficient"] == 0.25


def test_a_list_of_blocks_is_walked_by_key():
    after = apply_changes(CONFIG, {"loss_functions.forces.coefficient": 100}, "arms.100")
    assert after["loss_functions"] == [
        {"energy": {"fn": "mae", "coefficient": 1}},
        {"forces": {"fn": "mae", "coefficient": 100}},
    ]


def test_an_empty_block_is_filled():
    assert apply_changes({"dataset": {"train": None}}, {"dataset.train.first_n": 3}, "x") == {
        "dataset": {"train": {"first_n": 3}}
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.name.dc": 1}, "arms.x.model.name.dc: cannot set 'dc' in 'dc_schnet'"),
        (
            {"loss_functions.stress.coefficient": 1},
            "no entry of the list is named 'stress'; its entries are energy, forces",
        ),
        (["model"], "expected changes such as"),
        ({3: 1}, "expected changes such as"),
    ],
)
def test_bad_changes(changes, words):
    with pytest.raises(UserError, match=words.replace("(", "\\(")):
        apply_changes(CONFIG, changes, "arms.x")


names = st.text("abc", min_size=1, max_size=2)
configs = st.recursive(st.dictionaries(names, st.integers()), lambda inner: st.dictionaries(names, inner), max_leaves=6)


@given(configs, st.lists(names, min_size=1, max_size=3), st.integers())
def test_what_was_put_stands_there_and_the_rest_stays(config, path, value):
    dotted = ".".join(path)
    before = repr(config)
    way = [config]  # what the path leads through
    for key in path[:-1]:
        way.append(way[-1].get(key, {}) if type(way[-1]) is dict else way[-1])
    if not all(type(node) is dict for node in way):  # a number stands in the way
        with pytest.raises(UserError):
            apply_changes(config, {dotted: value}, "x")
        return
    after = apply_changes(config, {dotted: value}, "x")
    assert functools.reduce(dict.__getitem__, path, after) == value
    assert repr(config) == before
    for key in config:
        if key != path[0]:
            assert after[key] == config[key]


@pytest.mark.parametrize("key", ["", "model..dc", ".model", "model."])
def test_a_path_has_a_name_at_each_step(key):
    with pytest.raises(UserError, match=r"arms\.a: got the key .*, expected a path such as model\.dc\.region"):
        apply_changes(CONFIG, {key: 1}, "arms.a")
