"""Configs of fairchem 2: overrides, and one message for each kind of mistake."""

from __future__ import annotations

import pytest

from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.fairchem2.compose import compose, config_errors, find_fairchem2_config, hydra_overrides, override
from ocp_dc.fairchem2.infer.inspect_model import inspect_config

from tests.helpers.fairchem2_runs import overrides


def test_overrides_of_fairchem_1_become_those_of_hydra():
    given = ["--a.b=1", "a.b=1", "+a.b=1", "~a", "--a.b={c: 1}"]
    assert hydra_overrides(given) == ["++a.b=1", "a.b=1", "+a.b=1", "~a", "++a.b={c: 1}"]


@pytest.mark.parametrize("text", ["data", "my data/a=b", "it's", "a,b", "{x}", "1e3"])
def test_texts_are_quoted(text):
    config = compose(find_fairchem2_config("fairchem2/schnet-stock"), [override("data_dir", text)])
    assert config.data_dir == text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["epohcs=3"], r"unknown key 'epohcs'\. Did you mean 'epochs'\? To add a key, write \+\+epohcs=VALUE"),
        (["model.backbone.hidden_chanels=3"], r"Did you mean 'model\.backbone\.hidden_channels'\?"),
        (["++model.bakbone={}"], r"unexpected keyword argument 'bakbone'.* Did you mean 'backbone'\?"),
        (["++model.backbone.hidden_chanels=3"], r"unknown key 'hidden_chanels'; .*Did you mean 'hidden_channels'\?"),
        (["++model.dc.regoin=full"], r"model\.dc: unknown key 'regoin'; .*Did you mean 'region'\?"),
        (["++model._target_=ocp_dc.fairchem2.dc_model.Nothing"], "Error locating target"),
        (["epochs=[1"], "mismatched input|no viable alternative|extraneous|missing"),
        (["=3"], "schnet-stock"),
        (["data_dir=${nowhere}"], "Interpolation key 'nowhere' not found"),
        (["label_rescaling.center=means"], r"center: got 'means'|means"),
    ],
)
def test_mistakes(changes, words):
    with pytest.raises(UserError, match=words) as raised:
        inspect_config("fairchem2/schnet-stock", [*overrides(), *changes])
    assert "\n" not in str(raised.value)


def test_a_config_that_is_missing_or_wrong(tmp_path):
    with pytest.raises(UserError, match=r"Did you mean fairchem2/schnet-stock"):
        find_fairchem2_config("fairchem2/schnet-stok")
    path = tmp_path / "config.yaml"
    path.write_text("defaults: [nothing, _self_]\na: 1\n")
    with pytest.raises(UserError, match=r"config\.yaml: In 'config(\.yaml)?': Could not load 'nothing'"):
        compose(path)
    path.write_text("a: [1\n")
    with pytest.raises(UserError, match="config"):
        compose(path)


def test_errors_that_are_not_about_the_config_pass(tmp_path):
    for error in (RuntimeError("of torch"), ValueError("of a batch"), DivergenceError(3, "the loss", "advice")):
        with pytest.raises(type(error)) as raised, config_errors(tmp_path):
            raise error
        assert raised.value is error
