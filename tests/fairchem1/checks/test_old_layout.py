"""Configs in fairchem's older layouts train as the same config in the present layout does."""

from __future__ import annotations

import copy

import pytest
import torch

from ocp_dc.fairchem1.checks.old_layout import in_present_layout, with_named_splits

from tests.helpers.runs import run_main

TASK = {
    "dataset": "trajectory_lmdb",
    "description": "Regressing to energies and forces",
    "type": "regression",
    "metric": "mae",
    "labels": ["potential energy"],
    "grad_input": "atomic forces",
    "train_on_free_atoms": True,
}


@pytest.fixture
def old(small_config):
    """The small config as it was written before fairchem 1.0."""
    config = small_config()
    for name in ("outputs", "loss_functions", "evaluation_metrics"):
        config.pop(name, None)
    train, val = ({"src": config["dataset"][split]["src"]} for split in ("train", "val"))
    scale = {"normalize_labels": True, "target_mean": -4000.0, "target_std": 2.0, "grad_target_std": 2.0}
    optim = {**config["optim"], "force_coefficient": 7}
    return {**config, "task": TASK, "trainer": "forces", "dataset": [{**train, **scale}, val], "optim": optim}


@pytest.fixture
def present(old):
    """The same in the present layout."""
    config = copy.deepcopy(old)
    train, val = config["dataset"]
    labels = {"energy": {"mean": -4000.0, "stdev": 2.0}, "forces": {"mean": 0, "stdev": 2.0}}
    mapping = {"y": "energy", "force": "forces"}
    train = {"src": train["src"], "format": "lmdb", "key_mapping": mapping, "transforms": {"normalizer": labels}}
    del config["optim"]["force_coefficient"], config["task"]
    forces = {"level": "atom", "train_on_free_atoms": True, "eval_on_free_atoms": True}
    return {
        **config,
        "dataset": {"train": train, "val": val},
        "outputs": {"energy": {"level": "system"}, "forces": forces},
        "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}, {"forces": {"fn": "l2mae", "coefficient": 7}}],
        "evaluation_metrics": {"metrics": {"forces": ["mae"]}, "primary_metric": "forces_mae"},
    }


# fairchem makes its own normalizers by a name that it has deprecated
@pytest.mark.filterwarnings("ignore:Use of 'stdev':DeprecationWarning")
@pytest.mark.parametrize("trainer", ["forces", "dc"])
@pytest.mark.parametrize("listed", [True, False])
def test_trains_to_the_same_weights(tmp_path, old, present, trainer, listed, caplog):
    data = old["dataset"] if listed else dict(zip(("train", "val"), old["dataset"], strict=True))
    seed = ("--seed", "3")
    runs = [run_main(tmp_path, {**old, "dataset": data, "trainer": trainer}, *seed)]
    assert "are not read" not in caplog.text
    runs.append(run_main(tmp_path, {**present, "trainer": trainer}, *seed))
    assert [run.status for run in runs] == [0, 0]
    one, two = (next(run.folder.glob(f"checkpoints/{run.name}/checkpoint.pt")) for run in runs)
    one, two = (torch.load(path, weights_only=True)["state_dict"] for path in (one, two))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.filterwarnings("ignore:Use of 'stdev':DeprecationWarning")
def test_overrides_reach_both_layouts(tmp_path, old):
    run = run_main(tmp_path, {**old, "trainer": "dc"}, "--optim.force_coefficient=9", "--dataset.val.first_n=4")
    config = run.load()["config"]
    assert config["loss_functions"][1]["forces"]["coefficient"] == 9
    assert config["val_dataset"]["first_n"] == 4


@pytest.mark.parametrize(
    "changes", [{"task": {}}, {"task": {"dataset": "lmbd"}}, {"loss_functions": [{"energy": {"fn": "mae"}}]}]
)
def test_other_configs_are_left_alone(old, changes):
    config = with_named_splits({**old, **changes})
    assert in_present_layout(config) is config
    assert with_named_splits(config) is config
