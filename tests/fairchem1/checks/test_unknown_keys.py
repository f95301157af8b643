"""Keys that nothing reads: typing errors are refused, one line names the others, and stock trains all the same."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
import yaml
from fairchem.core.common.utils import setup_imports

import ocp_dc.fairchem1 as _plugin
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks import unknown_keys
from ocp_dc.fairchem1.checks.config_check import check_run_config, trainer_class

assert _plugin
setup_imports()  # fairchem registers its trainers in there; main does it first of all

STOCK: dict[str, Any] = {  # a config as fairchem's repository has them, with a trainer of fairchem's
    "trainer": "ocp",
    "model": {"name": "schnet", "hidden_channels": 8, "use_pbc": True, "otf_graph": True},
    "dataset": {"train": {"src": "data/train", "format": "lmdb", "key_mapping": {"y": "energy", "force": "forces"}}},
    "outputs": {
        "energy": {"shape": 1, "level": "system"},
        "forces": {"irrep_dim": 1, "level": "atom", "train_on_free_atoms": True, "eval_on_free_atoms": True},
    },
    "loss_functions": [{"energy": {"fn": "mae", "coefficient": 1}}, {"forces": {"fn": "l2mae", "coefficient": 100}}],
    "optim": {"batch_size": 2, "lr_initial": 1e-4, "max_epochs": 1, "scheduler": "CosineAnnealingLR", "T_max": 10},
}
WARMUP = {"warmup_steps": 100, "warmup_factor": 0.2, "lr_gamma": 0.1, "lr_milestones": [1000]}
EQUIFORMER: dict[str, Any] = {
    "batch_size": 2,
    "lr_initial": 1e-4,
    "max_epochs": 1,
    "scheduler": "LambdaLR",
    "scheduler_params": {"lambda_type": "cosine", "warmup_factor": 0.2, "warmup_epochs": 0.1, "lr_min_factor": 0.01},
}


@pytest.fixture(autouse=True)
def _afresh():
    unknown_keys.warn_once.cache_clear()


def changed(changes, base=STOCK):
    """A copy with the values of dotted keys replaced; None removes a key."""
    config = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        block = config
        for key in parents:
            block = block[int(key)] if isinstance(block, list) else block.setdefault(key, {})
        block[last] = value
        if value is None:
            del block[last]
    return config


def warnings_of(config, caplog, overrides=()):
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        check_run_config(config, overrides)
    return [record.getMessage() for record in caplog.records if "are not read" in record.getMessage()]


def test_what_is_read_gives_no_warning(caplog):
    assert warnings_of(STOCK, caplog) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optim.lr_initial": None, "optim.lr_inital": 1e-4},
            r"optim: unknown key 'lr_inital'.*Did you mean 'lr_initial'",
        ),
        ({"optim.clip_grad_nrom": 10}, r"'clip_grad_nrom'.*Did you mean 'clip_grad_norm'"),
        ({"optim.Ema_decay": 0.9}, r"'Ema_decay'.*Did you mean 'ema_decay'"),
        ({"optim.eta_mn": 0.1}, r"'eta_mn'.*Did you mean 'eta_min'"),
        ({"optim.early_stoping_patience": 3}, r"Did you mean 'early_stopping_patience'"),
        (
            {"outputs.forces.train_on_free_atoms": None, "outputs.forces.train_on_free_atom": False},
            r"outputs\.forces: ",
        ),
        ({"outputs.energy.levl": "system", "outputs.energy.level": None}, r"Did you mean 'level'"),
        (
            {"outputs.stress": {"decomposition": {"a": {"irep_dim": 0}}}},
            r"outputs\.stress\.decomposition\.a: .*'irrep_dim'",
        ),
        ({"task.strict_laod": False}, r"task: unknown key 'strict_laod'"),
        ({"dataset.tran": {"src": "x"}}, r"dataset: unknown key 'tran'.*Did you mean 'train'"),
        ({"dataset.val": {"frist_n": 3}}, r"dataset\.val: .*Did you mean 'first_n'"),
        ({"optimm": {"max_epochs": 3}}, r"config: unknown key 'optimm'.*Did you mean 'optim'"),
        ({"loss_function": []}, r"Did you mean 'loss_functions'"),
        ({"loss_functions.0.energy.reducton": "mean"}, r"loss_functions\.energy: .*Did you mean 'reduction'"),
        ({"evaluation_metrics.primary_metrics": "loss"}, r"Did you mean 'primary_metric'"),
    ],
)
def test_typing_errors_are_refused(changes, message):
    config = changed(changes)
    if "loss_function" in changes:
        del config["loss_functions"]
    with pytest.raises(UserError, match=f"(?s){message}"):
        check_run_config(config)


def test_one_line_names_all_the_others(caplog):
    changes = {
        "optim.mode": "min",  # of a schedule that is another's
        "optim.grad_accumulation_steps": 1,
        "optim.force_coefficient": 100,
        "optim.warmup_steps": 5,
        "optim.scheduler_params": {"lambda_type": "cosine"},
        "optim.use_denoising_pos": True,
        "optim.early_stopping_patience": 3,
        "rainer": "ocp",
        "task.description": "of old",
        "dataset.train.lin_ref": "linear.npz",
        "dataset.train.normalize_labels": True,
        "dataset.train.source": "x",
        "outputs.energy.unit": "eV",
    }
    config = changed({**changes, "loss_functions.1.forces.final_coefficient": 3})
    (line,) = warnings_of(config, caplog)
    assert "\n" not in line
    named = [path for path in changes if path in line]
    assert named == list(changes)
    assert "loss_functions.forces.final_coefficient (read by the trainer dc)" in line
    assert "rainer (similar to trainer, which is also there)" in line
    assert "optim.force_coefficient (read in configs without loss_functions)" in line
    assert "optim.scheduler_params (read by the trainers equiformerv2_* and mlip_*)" in line
    assert warnings_of(config, caplog) == []  # once in a process: main and trainer see the same config


@pytest.mark.parametrize(("override", "status"), [("optim.mode", True), ("optim.batch_size", False), ("mine.a", True)])
def test_what_the_command_line_gives_must_be_read(caplog, override, status):
    config = changed({"optim.mode": "min", "mine": {"a": 1}})
    if not status:
        assert len(warnings_of(config, caplog, [override])) == 1
        return
    with pytest.raises(UserError, match=rf"unknown key '{override.split('.')[0 if override == 'mine.a' else -1]}'"):
        check_run_config(config, [override])


def test_beside_the_key_that_is_meant(caplog):
    """Refused where the trainer is ours; a warning where fairchem's own trains all the same."""
    config = changed({"optim.batchsize": 4})
    assert "optim.batchsize (similar to batch_size, which is also there)" in warnings_of(config, caplog)[0]
    with pytest.raises(UserError, match=r"unknown key 'batchsize'.*'batch_size' is also there"):
        check_run_config({**config, "trainer": "dc"})


def test_blocks_of_ours_are_strict():
    changes: dict[str, Any]
    for changes in (
        {"model.name": "dc_schnet", "model.dc": {"whatever": 1}},
        {"trainer": "dc", "dataset.train.transforms": {"label_rescaling": {"whatever": 1}}},
        {"dataset.train.transforms": {"whatever": {}}},
        {"model.whatever": 1},
        {"optim.optimizer_params": {"whatever": 1}},
    ):
        with pytest.raises(UserError, match="unknown key 'whatever'"):
            check_run_config(changed(changes))


# ---- schedules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "warmup", [WARMUP, {"warmup_steps": -1, "lr_gamma": 0.8, "lr_milestones": [500]}], ids=["with", "without"]
)
def test_warmup(caplog, warmup):
    """Fairchem reads the factor up to ``warmup_steps`` only, and the first step is step 0."""
    optim = {"batch_size": 2, "lr_initial": 1e-4, "max_epochs": 1, **warmup}
    assert warnings_of({**STOCK, "optim": optim}, caplog) == []


@pytest.mark.parametrize(
    ("trainer", "optim", "message"),
    [
        ("ocp", {"scheduler": None, "T_max": None, **WARMUP, "warmup_factor": None}, r"needs warmup_factor"),
        ("ocp", {"scheduler": None, "T_max": None, "warmup_steps": -1}, r"needs lr_gamma, lr_milestones"),
        ("ocp", {"T_max": None}, r"optim\.T_max: missing; CosineAnnealingLR needs it"),
        ("ocp", {"scheduler": "LambdaLR"}, r"LambdaLR takes functions"),
        ("ocp", {"scheduler": "CosinAnnealingLR"}, r"Did you mean 'CosineAnnealingLR'"),
        ("dc", {"scheduler_params": {"T_max": 5}}, r"scheduler_params: trainer 'dc' does not read it"),
        ("equiformerv2_forces", {}, r"scheduler_params: missing; EquiformerV2ForcesTrainer reads its schedule there"),
        ("equiformerv2_forces", {"scheduler_params": {}}, r"scheduler_params: T_max missing"),
        ("equiformerv2_forces", {**EQUIFORMER, "scheduler": None}, r"optim\.scheduler: missing"),
        ("equiformerv2_forces", {**EQUIFORMER, "scheduler_params.lambda_type": "cosin"}, r"Did you mean 'cosine'"),
        ("equiformerv2_forces", {**EQUIFORMER, "scheduler_params.lr_min_factor": None}, r"lr_min_factor missing"),
        ("equiformerv2_forces", {**EQUIFORMER, "scheduler_params.lr_minfactor": 1}, r"Did you mean 'lr_min_factor'"),
    ],
)
def test_schedules_that_cannot_be(trainer, optim, message):
    changes = copy.deepcopy({f"optim.{key}": value for key, value in optim.items()})
    if "optim.scheduler_params.lr_minfactor" in changes:
        changes["optim.scheduler_params.lr_min_factor"] = None
    with pytest.raises(UserError, match=f"(?s){message}"):
        check_run_config(changed({"trainer": trainer, "optim.scheduler": "x", "optim.T_max": 10, **_with(changes)}))


def _with(changes):
    """The schedule of STOCK where the changes have none, and None only where something is there."""
    return {"optim.scheduler": "CosineAnnealingLR", **changes}


def test_what_trainers_with_schedules_of_their_own_read(caplog):
    config = {**STOCK, "trainer": "equiformerv2_forces", "optim": {**EQUIFORMER, "warmup_steps": 5}}
    assert "optim.warmup_steps (trainer reads scheduler_params)" in warnings_of(config, caplog)[0]
    denoising = {"use_denoising_pos": True, "denoising_pos_params": {}, "denoising_pos_coefficient": 1}
    config["optim"] = {**EQUIFORMER, **denoising}
    assert warnings_of({**config, "trainer": "equiformerv2_dens"}, caplog) == []
    assert "optim.denoising_pos_params (read by trainers that denoise)" in warnings_of(config, caplog)[0]


def test_the_trainer_is_fairchems_default():
    assert trainer_class({}).__name__ == "OCPTrainer"
    with pytest.raises(UserError, match="Did you mean 'ocp'"):
        trainer_class({"trainer": "opc"})


# ---- runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["no warmup", "own schedule", "keys of others"])
def test_stock_trainers_train(tmp_path, small_config, capsys, kind):
    """Fairchem's own trainers under our main, each with keys that its configs have."""
    config = small_config(trainer="ocp", model={"name": "schnet"})
    config["evaluation_metrics"] = {"primary_metric": "loss"}
    config["dataset"] = copy.deepcopy(config["dataset"])
    config["dataset"]["train"].pop("transforms")
    optim: dict[str, Any] = {
        "batch_size": 20,
        "eval_batch_size": 20,
        "num_workers": 0,
        "max_epochs": 1,
        "lr_initial": 1e-3,
    }
    if kind == "no warmup":
        optim |= {"warmup_steps": -1, "lr_gamma": 0.8, "lr_milestones": [500]}
    elif kind == "own schedule":
        config["trainer"] = "equiformerv2_forces"
        params = {**EQUIFORMER["scheduler_params"], "warmup_epochs": 1}
        optim |= {"scheduler": "LambdaLR", "scheduler_params": params, "ema_decay": 0.99}
    else:
        config["rainer"] = "ocp"
        optim |= {"scheduler": "Null", "mode": "min", "grad_accumulation_steps": 1, "energy_coefficient": 1}
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({**config, "optim": optim}))
    arguments = ["main", "--mode", "train", "--config-yml", str(path), "--cpu", "--run-dir", str(tmp_path)]
    assert main(arguments) == 0, capsys.readouterr().err
    assert list(tmp_path.rglob("checkpoint.pt"))
