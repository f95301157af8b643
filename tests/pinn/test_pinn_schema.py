"""The JSON Schema of the configs of physics-informed tasks."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.pinn.config import resolve
from ocp_dc.pinn.options import FOR_POTENTIALS, TopLevelOptions
from ocp_dc.pinn.schema import pinn_schema

from tests.helpers.schemas import content, places, property_schemas, shipped, validator

SCHEMA = validator(pinn_schema())


@pytest.mark.parametrize("path", shipped("pinn"), ids=lambda path: path.stem)
def test_a_config_that_ships(path) -> None:
    assert places(SCHEMA, content(path)) == []
    assert places(SCHEMA, resolve(path)) == []


def test_every_option_is_described() -> None:
    schema = pinn_schema()
    assert list(schema["properties"]) == [field.name for field in dataclasses.fields(TopLevelOptions)]
    undescribed = {key for key, part in property_schemas(schema) if "description" not in part}
    assert {key for key in undescribed if not key.startswith("L_")} == {"name"}  # of an activation


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"tsak": "advection"}, ""),
        ({"task": "advektion"}, "task"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"times": 1}, "times"),
        ({"report_every": 0}, "report_every"),
        ({"as_published": "yes"}, "as_published"),
        ({"data": {"share": 1.1}}, "data.share"),
        ({"data": {"sise": 3}}, "data"),
        ({"network": {"width": 0}}, "network.width"),
        ({"network": {"width": 1.5}}, "network.width"),
        ({"network": {"batchnorm": True}}, "network.batchnorm"),
        ({"network": {"activation": "tan"}}, "network.activation"),
        ({"network": {"activation": {"name": "irelu", "alpha": 1}}}, "network.activation"),
        ({"network": {"activation": {"name": "elu", "alpha": 0}}}, "network.activation"),
        ({"network": {"initializer": "Glorot"}}, "network.initializer"),
        ({"sampling": {"domain": 0}}, "sampling.domain"),
        ({"optim": {"name": "adan"}}, "optim.name"),
        ({"optim": {"lr": "1e-3"}}, "optim.lr"),
        ({"optim": {"lr": 0}}, "optim.lr"),
        ({"label_rescaling": {"scale": "inital_rms"}}, "label_rescaling.scale"),
        ({"label_rescaling": {"scale": 0}}, "label_rescaling.scale"),
        ({"loss_weights": {"L_f": -1}}, "loss_weights.L_f"),
        ({"dc": {"denormalize": "batch_norm"}}, "dc.denormalize"),
        ({"dc": {"dropout": 1.0}}, "dc.dropout"),
        ({"smoke": {"optim": {"iterations": 0}}}, "smoke.optim.iterations"),
        ({"smoke": {"smoke": {}}}, "smoke"),
        *[({"dc": {key: "exact"}}, "dc") for key in FOR_POTENTIALS],
    ],
)
def test_what_the_options_refuse_is_refused(change, wrong) -> None:
    config = {"task": "advection", **change}
    assert places(SCHEMA, config) == [wrong]
    if wrong not in ("task", "network.activation"):  # found when the task and the network are built
        with pytest.raises(UserError):
            resolve(config)


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"activation": {"name": "irelu", "coefficient": "unit_moment"}}},
        {"dc": {"activation": "original", "region": [r"^activations\."]}, "times": [0.0, 1.0]},
        {"data": {"path": "a.hdf5", "sample": 3}, "dc": None, "label_rescaling": {"scale": "initial_rms"}},
    ],
)
def test_what_the_options_take_is_valid(change) -> None:
    config = {"task": "advection", **change}
    assert places(SCHEMA, config) == []
    resolve(config)


def test_the_command(capsys) -> None:
    assert main(["schema", "pinn"]) == 0
    assert json.loads(capsys.readouterr().out) == pinn_schema()
