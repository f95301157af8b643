"""The JSON Schema of run configs of fairchem 2, against the options and the configs that ship."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ocp_dc.cli import main
from ocp_dc.core.config_names import configs_folder
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.compose import compose
from ocp_dc.fairchem2.config_keys import RunKeys
from ocp_dc.fairchem2.schema import run_schema
from ocp_dc.fairchem2.value_check import check_config
from ocp_dc.surgery.direct_forces import DirectOptions

from tests.helpers.schemas import content, places, property_schemas, shipped, validator

DOCUMENT = run_schema()
SCHEMA = validator(DOCUMENT)
MODEL = "ocp_dc.fairchem2.dc_model.DCHydraModel"
SCHNET = "ocp_dc.fairchem2.backbones.schnet.SchNetBackbone"
CALLBACK = "ocp_dc.fairchem2.train.callback.RunCallback"


@pytest.mark.parametrize("path", shipped("fairchem2"), ids=lambda path: path.stem)
def test_a_config_that_ships(path) -> None:
    assert places(SCHEMA, content(path)) == []


def test_keys_and_defaults_are_those_of_the_base() -> None:
    base = content(configs_folder() / "fairchem2" / "_base.yaml")
    for field in dataclasses.fields(RunKeys):
        assert base[field.name] == field.default or isinstance(base[field.name], dict), field.name
    references = {
        key for key, value in base.items() if f"${{{key}}}" in json.dumps(base) and not isinstance(value, dict | list)
    }
    assert references <= {field.name for field in dataclasses.fields(RunKeys)}


def test_every_option_is_described() -> None:
    described = {key for key, part in property_schemas(DOCUMENT) if part.get("description")}
    assert {field.name for cls in (RunKeys, DirectOptions) for field in dataclasses.fields(cls)} <= described
    assert {"primary_metric", "patience", "min_delta", "test_dataloader", "progress"} <= described  # of the callback
    assert {"hidden_channels", "cutoff", "use_pbc"} <= described  # of native backbones


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"epochs": "ten"}, "epochs"),
        ({"epochs": 0}, "epochs"),
        ({"lr": 0}, "lr"),
        ({"ema_decay": 1}, "ema_decay"),
        ({"label_rescaling": {"centre": "mean"}}, "label_rescaling"),
        ({"label_rescaling": {"center": "median"}}, "label_rescaling.center"),
        ({"model": {"dc": {"activaton": "irelu"}}}, "model.dc"),
        ({"model": {"dc": {"activation": "irlu"}}}, "model.dc.activation"),
        ({"model": {"dc": {"force_gradients": "exact"}}}, "model.dc"),
        ({"model": {"dc": {"dropout": 1.0}}}, "model.dc.dropout"),
        ({"model": {"_target_": MODEL, "haeds": {}}}, "model"),
        ({"model": {"backbone": {"model": SCHNET, "hiden_channels": 3}}}, "model.backbone"),
        ({"model": {"backbone": {"model": SCHNET, "cutoff": "6"}}}, "model.backbone.cutoff"),
        ({"runner": {"callbacks": [{"_target_": CALLBACK, "patienc": 3}]}}, "runner.callbacks[0]"),
        ({"runner": {"callbacks": [{"_target_": CALLBACK, "patience": "x"}]}}, "runner.callbacks[0].patience"),
    ],
)
def test_what_is_refused(config, place) -> None:
    assert places(SCHEMA, config) == [place]


@pytest.mark.parametrize(
    "config",
    [
        {"my_rate": 3, "lr": "${my_rate}", "model": {"dc": {"dropout": "${p}", "activation": "${a}"}}},
        {"model": {"_target_": "my_package.Model", "anything": 3}},
        {"model": {"backbone": {"model": "my_package.Backbone", "anything": 3}, "dc": None}},
        {
            "runner": {
                "callbacks": [{"_target_": "my_package.Callback", "x": 3}, {"_target_": CALLBACK, "patience": "${p}"}]
            }
        },
        {"checkpoint": "???", "data_dir": "???", "model": "${other}"},
    ],
)
def test_what_is_valid(config) -> None:
    assert places(SCHEMA, config) == []


@pytest.mark.parametrize(("key", "value"), [("epochs", 0), ("lr", 0), ("batch_size", 0), ("ema_decay", 1)])
def test_the_checks_refuse_these_too(key, value, ethanol) -> None:
    path = configs_folder() / "fairchem2" / "schnet-dc.yaml"
    with pytest.raises(UserError, match=f"^{key}: "):
        check_config(compose(path, [f"data_dir={ethanol}", f"{key}={value}"]))


def test_the_command(capsys) -> None:
    assert main(["schema", "run"]) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT
