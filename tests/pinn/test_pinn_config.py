"""The config: defaults, overrides, budgets, and what is refused."""

import datetime
from pathlib import Path

import pytest
import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.pinn import resolve
from ocp_dc.pinn.options import PinnOptions

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "pinn").glob("*.yml"))
ADVECTION = {"task": "advection"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_published_settings(path):
    """Fully connected 6 x 40, tanh, Glorot normal, Adam 1e-3, 1000 / 1000 / 5000 points: arXiv 2310.01649."""
    config = resolve(path)
    assert config["task"] == path.stem
    network = {"hidden_layers": 6, "width": 40, "activation": "tanh", "initializer": "Glorot normal"}
    assert config["network"] == {**network, "batchnorm": "none"}
    assert config["sampling"] == {"domain": 1000, "boundary": 1000, "initial": 5000}
    iterations = 100 if path.stem == "diffusion_reaction" else 15000
    assert config["optim"] == {"name": "adam", "lr": 1e-3, "iterations": iterations}
    assert config["data"]["share"] == 0.3
    assert (config["dc"], config["label_rescaling"], config["as_published"]) == ({}, {"scale": 1.0}, False)


def test_all_tasks_ship():
    assert [path.stem for path in CONFIGS] == [
        *("advection", "compressible_flow", "diffusion_reaction", "diffusion_sorption", "shallow_water")
    ]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_resolved_again_it_is_the_same(path, tmp_path):
    config = resolve(path, ["--dc.activation={name: irelu, coefficient: 0.25}"], budget="smoke", seed=5)
    copy = tmp_path / "config.yml"
    copy.write_text(yaml.safe_dump(config))
    assert resolve(copy) == config


def test_overrides():
    config = resolve(
        ADVECTION, ["--dc.activation=irelu", "--optim.lr=0.01", "--times=[0, 1.5]", "--loss_weights.L_f=3"]
    )
    assert config["dc"] == {"activation": "irelu"}
    assert config["optim"] == {"name": "adam", "lr": 0.01, "iterations": 15000}
    assert (config["times"], config["loss_weights"]) == ([0.0, 1.5], {"L_f": 3.0})


def test_the_smoke_budget_is_one_for_all_configs():
    """An override of a config that lacks the block changes that config alone."""
    resolve(ADVECTION, ["--optim.iterations=7", "--sampling.domain=5"], budget="smoke")
    smoke = resolve(ADVECTION, budget="smoke")
    assert (smoke["optim"]["iterations"], smoke["sampling"]["domain"]) == (30, 100)


def test_budgets():
    config = {**ADVECTION, "data": {"size": 64}, "smoke": {"data": {"size": 16}, "optim": {"iterations": 7}}}
    smoke, full = resolve(config, budget="smoke"), resolve(config)
    assert (smoke["data"]["size"], smoke["optim"]["iterations"], smoke["sampling"]["domain"]) == (16, 7, 100)
    assert (full["data"]["size"], full["optim"]["iterations"], full["sampling"]["domain"]) == (64, 15000, 1000)
    assert resolve(config, ["--data.path=a.h5"])["data"]["size"] is None
    assert resolve({**config, "data": {"path": "a.h5"}}, budget="smoke")["data"]["size"] is None
    overridden = resolve(config, ["--data.path=a.h5"], budget="smoke")
    assert (overridden["data"]["path"], overridden["data"]["size"]) == ("a.h5", None)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("--dc.activatoin=irelu", r"dc: unknown key 'activatoin'.*Did you mean 'activation'"),
        ("--dc.angle_gradients=exact", r"dc\.angle_gradients: is for interatomic potentials"),
        ("--network.widht=3", r"network: unknown key 'widht'.*Did you mean 'width'"),
        ("--data.path=", r"got nothing after '='"),
        ("--data.path=123", r"data\.path: got 123, expected the path of a file"),
        ("--data.sample=4", r"data\.sample: is of a file, and data\.path names none"),
        ("--data={path: a.h5, seed: 3}", r"data\.seed: is of generated solutions"),
        ("--seed=5000000000", r"seed: got 5000000000, expected a whole number, at least 0 and at most 4294967295"),
        ("--smoke.data.size=8", r"smoke is a block of config files; change data\.size itself"),
        ("--network.width=1000000000", r"network: got 6 hidden layers of width 1000000000.*expected at most 1e\+09"),
        ("--sampling.domain=1000000000000", r"sampling\.domain: got 1000000000000, expected .* at most 100000000"),
        ("--network.width=0", r"network\.width: got 0, expected a whole number, at least 1"),
        ("--network.width=1.5", r"network\.width: got 1\.5"),
        ("--network.batchnorm=true", r"network\.batchnorm: got True, expected one of none, before, after"),
        ("--network.initializer=Glorot", r"network\.initializer: got 'Glorot'.*Did you mean 'Glorot normal'"),
        ("--optim.name=adan", r"optim\.name: got 'adan'.*Did you mean 'adam'"),
        ("--optim.lr='1e-3'", r"optim\.lr: got '1e-3'.*write 1\.0e-3"),
        ("--optim.lr=-1", r"optim\.lr: got -1, expected a finite number, above 0"),
        ("--optim.iterations=0", r"optim\.iterations: got 0"),
        ("--sampling.domain=0", r"sampling\.domain: got 0, expected a whole number, at least 1 and at most 1"),
        ("--sampling.boundary=-1", r"sampling\.boundary: got -1"),
        ("--label_rescaling.scale=inital_rms", r"label_rescaling\.scale: got.*Did you mean 'initial_rms'"),
        (
            "--label_rescaling.scale=0",
            r"label_rescaling\.scale: got 0, expected a finite positive number or initial_rms",
        ),
        ("--loss_weights.L_f=-1", r"loss_weights\.L_f: got -1, expected zero or more"),
        ("--loss_weights.L_f=1e300", r"loss_weights\.L_f: got 1e\+300, expected at most 1e\+15"),
        ("--label_rescaling.scale=1e300", r"label_rescaling\.scale: got 1e\+300, expected from 1e-15 to 1e\+15"),
        ("--label_rescaling.scale=1e-300", r"label_rescaling\.scale: got 1e-300"),
        ("--loss_weights=3", r"loss_weights: got 3"),
        ("--times=1", r"times: got 1, expected a list of times"),
        ("--data.share=1.1", r"data\.share: got 1\.1"),
        ("--data={path: a.h5, size: 3}", r"data\.size: is of generated solutions"),
        ("--seed=-1", r"seed: got -1"),
        ("--report_every=0", r"report_every: got 0"),
        ("--as_published=yes please", r"as_published: got 'yes please', expected true or false"),
        ("--tsak=advection", r"unknown key 'tsak'.*Did you mean 'task'"),
        ("--task=3", r"task: got 3, expected the name of a task"),
        ("--task.name=advection", r"cannot set 'name' in 'advection', which is not a block"),
        ("--dc", r"override '--dc': expected such as"),
        ("--dc.activation={", "not YAML"),
    ],
)
def test_mistakes(override, message):
    with pytest.raises(UserError, match=message):
        resolve(ADVECTION, [override])


def test_more_mistakes(tmp_path):
    with pytest.raises(UserError, match="--budget: got 'tiny', expected one of full, smoke"):
        resolve(ADVECTION, budget="tiny")
    with pytest.raises(UserError, match="no such file; expected a config such as"):
        resolve(tmp_path / "none.yml")
    with pytest.raises(UserError, match=r"config: .*date.*quote what is a text"):
        resolve({**ADVECTION, "dc": {"activation": datetime.date(2020, 1, 1)}})
    broken = tmp_path / "broken.yml"
    broken.write_text("task: [")
    with pytest.raises(UserError, match="is not YAML"):
        resolve(broken)
    for text, message in (
        ("advection", "got a str instead of blocks"),
        ("task: advection\nseed: 1\nseed: 2", "the key 'seed' is repeated in one block, in line 3"),
        ("trainer: dc\nmodel: {name: schnet}", "is a run config of a potential; `ocp-dc main --config-yml` takes it"),
        ("arms: {a: {}}\nbase: b.yml", "is a study; `ocp-dc study run` takes it"),
    ):
        broken.write_text(text)
        with pytest.raises(UserError, match=message):
            resolve(broken)
    for smoke, message in (
        (3, "smoke: got 3"),
        ({"dat": {"size": 8}}, "smoke: unknown key 'dat'.*Did you mean 'data'"),
        ({"data": {"sze": 8}}, "data: unknown key 'sze'.*Did you mean 'size'"),
    ):
        for budget in ("full", "smoke"):
            with pytest.raises(UserError, match=message):
                resolve({**ADVECTION, "smoke": smoke}, budget=budget)
    assert PinnOptions.from_config(ADVECTION).optim.iterations == 15000
