"""The JSON Schema of run configs of fairchem 1.10, against the checks and the configs that ship."""

from __future__ import annotations

import copy
import json
from typing import Any

import ocp_dc.fairchem1 as _plugin  # isort: skip  # before fairchem: the hooks let it import

import pytest
from fairchem.core.common.registry import registry

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks import known_keys, value_check
from ocp_dc.fairchem1.checks.config_check import check_run_config
from ocp_dc.fairchem1.main import resolve_training
from ocp_dc.fairchem1.schemas.run import run_schema
from ocp_dc.models.painn import PAINN_REGIONS
from ocp_dc.nn import activation
from ocp_dc.surgery import DCOptions

from tests.helpers.every_model import CASES
from tests.helpers.schemas import content, places, property_schemas, shipped, validator

assert _plugin

DOCUMENT = run_schema()
SCHEMA = validator(DOCUMENT)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """A valid config, with everything that it includes."""
    return resolve_training("md17/schnet-dc")


@pytest.mark.parametrize(
    "path", shipped("dc", "md17", "oc20", "oc22"), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_config_that_ships(path) -> None:
    assert places(SCHEMA, content(path)) == []


def test_a_resolved_config(config) -> None:
    assert places(SCHEMA, config) == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_arguments_of_every_model(name) -> None:
    arguments = {key: value for key, value in CASES[name].arguments.items() if key != "name"}
    assert places(SCHEMA, {"model": {"name": name, **arguments, "dc": {"activation": "irelu"}}}) == []
    assert places(SCHEMA, {"model": {"name": name, **arguments, "hiden_channels": 3}}) == ["model"]


def test_every_registered_model_is_known() -> None:
    cases = json.dumps(DOCUMENT)
    for name in registry.mapping["model_name_mapping"]:
        assert f'"const": "{name}"' in cases


def test_every_key_of_the_checks_is_described() -> None:
    described = {key for key, part in property_schemas(DOCUMENT) if part.get("description")}
    tables = (
        "MAIN_KEYS",
        "TASK_KEYS",
        "RELAXATION_KEYS",
        "SPLITS",
        "DATASET_KEYS",
        "OUTPUT_KEYS",
        "LOSS_KEYS",
        "OUR_LOSS",
    )
    for table in (*tables, "METRIC_KEYS", "OPTIM_KEYS", "OUR_OPTIM", "OLD_TASK", "OLD_DATASET", "OLD_OPTIM"):
        assert set(getattr(known_keys, table)) <= described, table
    assert set(DCOptions.__dataclass_fields__) <= described


def test_no_check_of_a_value_is_left_out() -> None:
    typed = {key for key, part in property_schemas(DOCUMENT) if {"type", "enum", "anyOf", "$ref"} & part.keys()}
    for table in (value_check.OPTIM, value_check.TOP, value_check.TASK, value_check.SPLIT, value_check.RELAXATION):
        assert set(table) <= typed
    for keys in value_check.SWITCHES.values():
        assert set(keys.split()) <= typed


def changed(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of a config with one value changed."""
    config = copy.deepcopy(config)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    block: Any = config
    for part in parents:
        block = block.setdefault(part, {}) if isinstance(block, dict) else block[part]
    block[last] = value
    return config


def check(config: dict[str, Any]) -> None:
    """Check a config, with two values that are checked when the model is built."""
    check_run_config(copy.deepcopy(config))
    activation(config["model"]["dc"]["activation"])
    PAINN_REGIONS.patterns(config["model"]["dc"]["region"])


# what the checks refuse: the path, the value, and the place that the schema names if it is not the path
MISTAKES = [
    ("trainr", "dc", ""),
    ("trainer", 3, None),
    ("trainer", "cd", None),
    ("seed", -1, None),
    ("print_every", 0, None),
    ("amp", "no", None),
    ("trust_modules", "mine", None),
    ("logger", 3, None),
    ("logger", "tensorbord", None),
    ("model.name", "dc_schent", None),
    ("model.hidden_chanels", 3, "model"),
    ("model.hidden_channels", 1, None),
    ("model.hidden_channels", "64", None),
    ("model.cutoff", 0.6, None),
    ("model.use_pbc", "no", None),
    ("model.dc", "irelu", None),
    ("model.dc.activaton", "irelu", "model.dc"),
    ("model.dc.activation", "irlu", None),
    ("model.dc.activation", {"name": "irelu", "alpha": 1}, None),
    ("model.dc.region", "outputs", None),
    ("model.dc.region", [], None),
    ("model.dc.denormalize", "batch_norm", None),
    ("model.dc.dropout", 1.0, None),
    ("model.dc.accelerate", "on", None),
    ("model.dc.angle_gradients", "exact", "model.dc"),
    ("model.dc.force_gradients", "exact", "model.dc"),
    ("outputs.energy.level", "sytem", None),
    ("outputs.energy.levle", "system", "outputs.energy"),
    ("outputs.forces.train_on_free_atoms", "yes", None),
    ("outputs.forces.prediction_dtype", "float64", None),
    ("loss_functions", {"energy": {"fn": "mae"}}, None),
    ("loss_functions.0.energy.coefficent", 1, "loss_functions[0].energy"),
    ("loss_functions.0.energy.coefficient", -1, "loss_functions[0].energy.coefficient"),
    ("loss_functions.0.energy.reduction", "max", "loss_functions[0].energy.reduction"),
    ("loss_functions.0.energy.final_coefficient", 0, "loss_functions[0].energy.final_coefficient"),
    ("loss_functions.0.energy.delta", 0, "loss_functions[0].energy.delta"),
    ("evaluation_metrics.primary_metrc", "loss", "evaluation_metrics"),
    ("evaluation_metrics.metrics.energy", "mae", None),
    ("optim.lr_inital", 1.0e-3, "optim"),
    ("optim.lr_initial", 0, None),
    ("optim.lr_initial", "1e-3", None),
    ("optim.batch_size", 0, None),
    ("optim.max_epochs", 2.5, None),
    ("optim.optimizer", "Adan", None),
    ("optim.optimizer_params", {"amsgard": True}, None),
    ("optim.optimizer_params", {"amsgrad": "yes"}, "optim.optimizer_params.amsgrad"),
    ("optim.scheduler", "OneCycle", None),
    ("optim.ema_decay", 1.0, None),
    ("optim.swa_start", 1.0, None),
    ("optim.lr_factors", ["^lin1"], None),
    ("optim.lr_factors", {"^lin1": 0}, "optim.lr_factors['^lin1']"),
    ("optim.checkpoint_every", 0, None),
    ("optim.load_balancing", "atom", None),
    ("optim.early_stopping_patience", 0, None),
    ("dataset.tran", {"src": "x"}, "dataset"),
    ("dataset.train.no_shufle", True, "dataset.train"),
    ("dataset.train.src", [], None),
    ("dataset.train.first_n", 0, None),
    ("dataset.train.format", "lmbd", None),
    ("dataset.train.key_mapping", {"y": 3}, "dataset.train.key_mapping.y"),
    ("dataset.train.transforms.label_rescaling", {"centre": "mean"}, None),
    (
        "dataset.train.transforms.label_rescaling",
        {"center": "median"},
        "dataset.train.transforms.label_rescaling.center",
    ),
    ("dataset.train.transforms.label_rescaling", {"scale": 0}, "dataset.train.transforms.label_rescaling.scale"),
    ("task.strict_load", "yes", None),
    ("task.relaxation_fmx", 0.1, "task"),
    ("task.relaxation_fmax", 0, None),
]


@pytest.mark.parametrize(("path", "value", "place"), MISTAKES, ids=lambda value: str(value)[:40])
def test_what_the_checks_refuse_is_refused_in_its_place(config, path, value, place) -> None:
    wrong = changed(config, path, value)
    found = places(SCHEMA, wrong)
    assert found == [path if place is None else place]
    with pytest.raises(UserError):
        check(wrong)


def test_a_stock_model_takes_no_dc_block(config) -> None:
    wrong = changed(config, "model.name", "schnet")
    assert places(SCHEMA, wrong) == ["model"]
    with pytest.raises(UserError):
        check_run_config(wrong)


@pytest.mark.parametrize(
    "part",
    [
        {"model": {"dc": {"activation": "irelu", "angle_gradients": "stock", "allow_direct": True}}},  # of any model
        {"model": {"name": "my_package.models.Mine", "anything": 3}},
        {"model": {"name": "dc_schnet", "dc": {"accelerate": False}}},  # off, as YAML 1.1 reads it
        {"trainer": "my_package.trainers.Mine", "logger": {"name": "wandb", "project": "x"}},
        {"optim": {"scheduler": "OneCycleLR", "max_lr": [1.0e-3, 1.0e-4], "pct_start": 0.1, "optimizer": "AdamW"}},
        {"optim": {"optimizer": "AdamW", "optimizer_params": {"amsgrad": True, "betas": [0.9, 0.99]}}},
        {"optim": {"warmup_steps": -1, "lr_gamma": 0.1, "lr_milestones": [1000], "eval_every": 5000.0}},
        {"optim": {"lr_factors": {r"^lin1\.|^lin2\.": 0.25}}},
        {"optim": {"lr_factors": None}},
        {"loss_functions": [{"forces": {"fn": "huber", "coefficient": 30, "delta": 0.1, "final_coefficient": 3}}]},
        {"dataset": [{"src": "a"}, {"src": "b"}, None], "logger": None},
        {
            "dataset": {
                "train": {"src": ["a", "b"], "transforms": {"label_rescaling": {"scale": "1e6 kcal/mol"}}},
                "val": None,
            }
        },
    ],
)
def test_what_is_valid(part) -> None:
    assert places(SCHEMA, part) == []


def test_the_command(capsys) -> None:
    assert main(["schema", "run"]) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT
