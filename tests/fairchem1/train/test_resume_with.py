"""A resumed run with another config: what differs and what counts is said, recorded, and so."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import yaml

from ocp_dc.fairchem1.train import loop, resume_with
from ocp_dc.fairchem1.train.resume_with import compare, find_checkpoint

from tests.helpers.runs import Run, run_main

OPTIM = {
    "optimizer": "AdamW",
    "optimizer_params": {"weight_decay": 0.01, "betas": [0.9, 0.99]},
    "scheduler": "StepLR",
    "step_size": 4,
    "gamma": 0.5,
    "ema_decay": 0.9,
    "max_epochs": 2,
    "clip_grad_norm": 5.0,
}
# another value for everything that the states of optimizer, schedule and averages hold, and for what they do not
OTHER_STATE = {
    "optimizer": "Adam",
    "optimizer_params": {"weight_decay": 0.0, "betas": [0.8, 0.999]},
    "lr_initial": 2.0e-3,
    "step_size": 2,
    "gamma": 0.25,
    "ema_decay": 0.5,
}
MORE = {"max_epochs": 3, "clip_grad_norm": 7.0, "batch_size": 5}


@pytest.fixture(scope="module")
def begun(tmp_path_factory, small_config) -> Run:
    """Two epochs of four steps: learning rate 1e-3 in the first, half of it in the second."""
    run = run_main(tmp_path_factory.mktemp("begun"), small_config(optim=OPTIM), "--seed=1")
    assert run.status == 0
    return run


def resumed(begun: Run, folder: Path, config: dict, *arguments: str) -> tuple[Run, dict, dict]:
    """Go on from the run in another folder; return the run, its last checkpoint and the config that it recorded."""
    run = run_main(folder, config, "--checkpoint", str(begun.checkpoint()), "--seed=1", *arguments)
    assert run.status == 0
    return run, run.load(), yaml.safe_load(run.result("config.yml").read_text())


def test_the_same_config_says_nothing(begun, tmp_path, small_config, caplog):
    _, state, recorded = resumed(begun, tmp_path, small_config(optim={**OPTIM, "max_epochs": 3}))
    assert "another config" not in "".join(r.message for r in caplog.records if r.levelname == "WARNING")
    assert "optim.max_epochs: 2 in the checkpoint, 3 in the config; the config's counts" in caplog.text
    assert state["step"] == 12
    assert recorded["optim"]["max_epochs"] == 3


def test_by_default_the_states_count(begun, tmp_path, small_config, caplog):
    """As ever: but it is said, and the record is true."""
    config = small_config(optim={**OPTIM, **OTHER_STATE, "max_epochs": 3, "clip_grad_norm": 7.0})
    config["loss_functions"] = [{"energy": {"fn": "mae", "coefficient": 2}}, *config["loss_functions"][1:]]
    _, state, recorded = resumed(begun, tmp_path, config)
    for line in (
        "optim.optimizer: 'AdamW' in the checkpoint, 'Adam' in the config; the checkpoint's counts",
        "optim.optimizer_params.weight_decay: 0.01 in the checkpoint, 0.0 in the config; the checkpoint's counts",
        "optim.lr_initial: 0.001 in the checkpoint, 0.002 in the config; the checkpoint's counts",
        "optim.gamma: 0.5 in the checkpoint, 0.25 in the config; the checkpoint's counts",
        "optim.ema_decay: 0.9 in the checkpoint, 0.5 in the config; the checkpoint's counts",
        "optim.clip_grad_norm: 5.0 in the checkpoint, 7.0 in the config; the config's counts",
        "loss_functions.energy.coefficient: 1 in the checkpoint, 2 in the config; the config's counts",
        "--resume-with config",
    ):
        assert line in caplog.text
    assert recorded["optim"] == {**recorded["optim"], **OPTIM, "max_epochs": 3, "clip_grad_norm": 7.0}
    assert recorded["loss_functions"][0]["energy"]["coefficient"] == 2
    groups = state["optimizer"]["param_groups"]
    assert {group["weight_decay"] for group in groups} == {0, 0.01}
    assert [group["lr"] for group in groups] == pytest.approx([1e-3 * 0.5**3] * 2)
    assert state["ema"]["decay"] == 0.9


def test_the_config_counts(begun, tmp_path, small_config, caplog):
    """From the first step on: learning rate by the config's schedule, decay, betas and averages."""
    config = small_config(optim={**OPTIM, **OTHER_STATE, "max_epochs": 3})
    _, state, recorded = resumed(begun, tmp_path, config, "--resume-with", "config")
    assert "optim.lr_initial: 0.001 in the checkpoint, 0.002 in the config; the config's counts" in caplog.text
    assert recorded["optim"] == {**recorded["optim"], **OTHER_STATE}
    (group,) = state["optimizer"]["param_groups"]  # without weight decay one group
    assert (group["weight_decay"], list(group["betas"])) == (0.0, [0.8, 0.999])
    assert group["lr"] == pytest.approx(2e-3 * 0.25**6)
    assert state["ema"]["decay"] == 0.5
    # the moments went with their parameters into the other order: 8 steps there, 4 here
    assert {int(moments["step"]) for moments in state["optimizer"]["state"].values()} == {12}


def test_the_best_loss_is_of_the_losses_of_the_config(begun, tmp_path, small_config, caplog):
    """With a weight of forces a hundred times higher, no loss would be as low as that of the checkpoint."""
    config = small_config(optim={**OPTIM, "max_epochs": 3})
    best = begun.load()["best_val_metric"]
    folders = [tmp_path / name for name in ("same", "other")]
    for folder in folders:
        folder.mkdir()
    _, state, _ = resumed(begun, folders[0], config)
    assert state["best_val_metric"] <= best
    assert "cannot be compared" not in caplog.text
    for entry in config["loss_functions"]:
        for settings in entry.values():
            settings["coefficient"] *= 100
    run, state, _ = resumed(begun, folders[1], config)
    assert "the run resumes with other loss functions: the best loss so far" in caplog.text
    assert state["best_val_metric"] == float(run.validations()[-1]["loss"]) > best
    assert state["evaluations_since_best"] == 0


def test_moments_go_with_their_parameters(begun, tmp_path, small_config, monkeypatch):
    """Two groups become one: each parameter finds its own moments, by their shapes and values."""

    seen = {}

    def stop(trainer, *args):
        named = dict(trainer.model.named_parameters())
        seen.update(
            {name: trainer.optimizer.state[p]["exp_avg"].clone() for name, p in named.items() if p.requires_grad}
        )

    monkeypatch.setattr(loop, "_epochs", stop)
    for decay in (0.0, 0.02):
        config = small_config(optim={**OPTIM, "optimizer_params": {"weight_decay": decay, "betas": [0.9, 0.99]}})
        folder = tmp_path / str(decay)
        folder.mkdir()
        arguments = ("--checkpoint", str(begun.checkpoint()), "--seed=1", "--resume-with", "config")
        seen.clear()
        assert run_main(folder, config, *arguments).status == 0
        saved = begun.load()["optimizer"]
        moments = [saved["state"][i]["exp_avg"] for group in saved["param_groups"] for i in group["params"]]
        exempt = [name for name in seen if any(word in name for word in ("embedding", "frequencies", "bias"))]
        names = [*exempt, *(name for name in seen if name not in exempt)]  # fairchem's order of two groups
        for name, moment in zip(names, moments, strict=True):
            assert torch.equal(seen[name], moment), name


def test_other_moments_start_at_zero(begun, tmp_path, small_config, caplog):
    optim = {**OPTIM, "optimizer": "SGD", "optimizer_params": {"momentum": 0.9}, "max_epochs": 3}
    _, state, _ = resumed(begun, tmp_path, small_config(optim=optim), "--resume-with", "config")
    assert "its moments start at zero" in caplog.text
    assert "momentum_buffer" in state["optimizer"]["state"][0]


def test_the_checkpoint_counts(begun, tmp_path, small_config, caplog, ethanol):
    """In everything that the run was started with, but for how long it trains."""
    config = small_config(optim={**OPTIM, **OTHER_STATE, **MORE})
    config["loss_functions"] = [
        {"energy": {"fn": "mse", "coefficient": 2}},
        {"forces": {"fn": "mae", "coefficient": 3}},
    ]
    config["dataset"]["train"] = {**config["dataset"]["train"], "first_n": 20}
    config["dataset"]["val"] = {"src": str(ethanol / "test")}
    run, state, recorded = resumed(begun, tmp_path, config, "--resume-with", "checkpoint")
    assert "dataset.train.first_n: nothing in the checkpoint, 20 in the config; the checkpoint's counts" in caplog.text
    original = yaml.safe_load(begun.result("config.yml").read_text())
    assert recorded["loss_functions"] == original["loss_functions"]
    assert recorded["dataset"] == original["dataset"]
    assert recorded["optim"] == {**original["optim"], "max_epochs": 3}
    assert state["step"] == 12
    # which is the run that simply goes on
    (tmp_path / "plain").mkdir()
    plain, expected, _ = resumed(begun, tmp_path / "plain", small_config(optim={**OPTIM, "max_epochs": 3}))
    assert all(torch.equal(value, expected["state_dict"][name]) for name, value in state["state_dict"].items())
    assert [row["loss"] for row in run.validations()] == [row["loss"] for row in plain.validations()]


def test_weights_alone_start_a_training_of_its_own(begun, tmp_path, small_config, caplog):
    """best_checkpoint.pt holds no optimizer: the config counts, without a word, but for the labels."""
    config = small_config(optim={**OPTIM, **OTHER_STATE, "max_epochs": 1})
    config["dataset"]["train"]["transforms"] = {"label_rescaling": {"center": "mean", "scale": 1.0}}
    arguments = ("--checkpoint", str(begun.checkpoint("best_checkpoint.pt")), "--seed=1")
    run = run_main(tmp_path, config, *arguments)
    assert run.status == 0
    assert "label_rescaling: {'center': 'composition'" in caplog.text
    assert "optim.lr_initial" not in caplog.text
    recorded = yaml.safe_load(run.result("config.yml").read_text())
    assert recorded["optim"]["lr_initial"] == 2e-3
    assert recorded["dataset"]["train"]["transforms"]["label_rescaling"]["center"] == "composition"
    assert run.load()["optimizer"]["param_groups"][0]["lr"] == pytest.approx(2e-3 * 0.25**2)


def test_in_the_same_folder(begun, tmp_path, small_config, caplog):
    """With the same --timestamp-id, and the record under another name."""
    first = run_main(tmp_path, small_config(optim=OPTIM), "--seed=1", name="one")
    changed = small_config(optim={**OPTIM, "lr_initial": 5.0e-4, "max_epochs": 3})
    assert run_main(tmp_path, changed, "--seed=1", "--resume-with", "config", name="one").status == 0
    assert yaml.safe_load(first.result("config-2.yml").read_text())["optim"]["lr_initial"] == 5e-4
    assert first.load()["optimizer"]["param_groups"][0]["lr"] == pytest.approx(5e-4 * 0.5**3)
    # a third start, as after a preemption: the config is that of the checkpoint now, and nothing is done twice
    caplog.clear()
    assert run_main(tmp_path, changed, "--seed=1", "--resume-with", "config", name="one").status == 0
    assert "another config" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "mode", "message"),
    [
        (("--resume-with", "config"), "predict", "use --mode train"),
        (("--resume_with=best",), "train", "expected one of config, checkpoint"),
    ],
)
def test_mistakes(begun, tmp_path, small_config, capsys, arguments, mode, message):
    checkpoint = ("--checkpoint", str(begun.checkpoint()))
    assert run_main(tmp_path, small_config(optim=OPTIM), *checkpoint, *arguments, mode=mode).status == 2
    assert message in capsys.readouterr().err


def test_a_stock_trainer_cannot_take_the_configs(begun, tmp_path, small_config, capsys):
    config = small_config(optim={**OPTIM, "lr_initial": 2.0e-3}, trainer="ocp")
    config["dataset"]["train"] = {k: v for k, v in config["dataset"]["train"].items() if k != "transforms"}
    config["evaluation_metrics"] = {"metrics": {"energy": ["mae"]}, "primary_metric": "energy_mae"}
    arguments = ("--checkpoint", str(begun.checkpoint()), "--resume-with", "config")
    assert run_main(tmp_path, config, *arguments).status == 2
    assert "only 'trainer: dc' can do that" in capsys.readouterr().err


def test_what_is_compared():
    one = {
        "optim": {"lr_initial": 1e-3, "num_workers": 0},
        "dataset": {
            "train": {"src": "data/../data/a", "format": "lmdb", "transforms": {"n": {"fit": {"fitted": True}}}}
        },
        "loss_functions": [{"energy": {"fn": "mae"}}],
        "seed": 1,
    }
    same = copy.deepcopy(one)
    same["dataset"]["train"] |= {"src": "data/a", "format": "lmdb_in_memory", "transforms": {"n": {"fit": {}}}}
    assert compare(one, same) == {}
    other = {**copy.deepcopy(one), "seed": 2, "amp": True, "loss_functions": [{"energy": {"fn": "mse"}}]}
    found = {"seed": (1, 2), "amp": (False, True), "loss_functions.energy.fn": ("mae", "mse")}
    assert compare(one, other) == found


def test_which_checkpoint(tmp_path):
    assert find_checkpoint({"checkpoint": "a.pt", "timestamp_id": "x"}) == Path("a.pt")
    config = {"checkpoint": None, "run_dir": str(tmp_path), "timestamp_id": "x"}
    assert find_checkpoint(config) is None
    own = tmp_path / "checkpoints" / "x" / "checkpoint.pt"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_checkpoint(config) == own
    assert find_checkpoint({**config, "timestamp_id": None}) is None
    assert not resume_with.uses_given_settings()
