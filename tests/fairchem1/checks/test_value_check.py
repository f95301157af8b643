"""Values of a run config: what each may be, and that nothing sensible is refused."""

from __future__ import annotations

import copy
import logging
import re

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import Number, count
from ocp_dc.fairchem1.checks.config_check import check_run_config

TRANSFORMS = "dataset.train.transforms"


@pytest.fixture
def changed(small_config):
    """Returns a config in which one place, given as a dotted path, holds something else."""

    def change(path, value):
        config = copy.deepcopy(small_config())
        *above, last = path.split(".")
        node = config
        for key in above:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        node[last] = value
        return config

    return change


HUBER = {"fn": "huber", "coefficient": 30}
NOTHING = {"fn": "mae", "coefficient": 0, "final_coefficient": 3}
WRONG = [
    ("dataset.train.key_mapping", {"pos": "energy"}, r"key_mapping: got 'pos', from which the model makes its graph"),
    ("task.prediction_dtype", "float99", r"expected float16 or float32\. Did you mean 'float\d\d'"),
    ("outputs.energy.prediction_dtype", 16, r"outputs\.energy\.prediction_dtype: got 16"),
    ("task.relax_opt", 5, r"task\.relax_opt: got 5, expected a block such as \{maxstep"),
    ("task.relax_opt", {"memory": "x"}, r"task\.relax_opt\.memory: got 'x', expected a whole number"),
    ("task.relax_opt", {"maxstep": -1}, r"task\.relax_opt\.maxstep: got -1"),
    ("task.relax_opt", {"traj_dir": 5}, r"task\.relax_opt\.traj_dir: got 5"),
    ("task.relax_opt", {"maxsteps": 1}, r"task\.relax_opt: unknown key 'maxsteps'.*Did you mean 'maxstep'"),
    ("task.save_full_traj", "no", r"task\.save_full_traj: got 'no', expected true or false"),
    ("task.dataset", 5, r"task\.dataset: got 5"),
    (
        "outputs.stress",
        {"level": "system"},
        r"model\.use_pbc: got false, but outputs asks for stress, which needs periodic boundaries",
    ),
    ("outputs.dipole", {"level": "system"}, r"outputs: 'dipole' is not an output of the model: dc_schnet gives energy"),
    ("outputs.energy.level", "atom", r"outputs\.energy\.level: got atom, expected system"),
    ("outputs.forces.level", "system", r"outputs\.forces\.level: got system, expected atom"),
    ("outputs.energy.property", 5, r"outputs\.energy\.property: got 5"),
    ("outputs.forces.irrep_dim", "x", r"outputs\.forces\.irrep_dim: got 'x'"),
    ("loss_functions.0.energy.coefficient", 1e300, r"loss_functions\.energy\.coefficient: got 1e\+300"),
    ("optim.checkpoint_format", "zip", r"optim\.checkpoint_format: got 'zip', expected pt or dcp"),
    ("optim.load_datasets_and_model_then_exit", "no", r"then_exit: got 'no', expected true or false"),
    ("trust_modules", 5, r"trust_modules: got 5, expected a list of modules"),
    # blocks, lists and texts
    ("model", "schnet", r"model: got 'schnet', expected a block such as \{name: dc_schnet"),
    ("model", ["dc_schnet"], r"model: got \['dc_schnet'\], expected a block"),
    ("optim", "fast", r"optim: got 'fast', expected a block"),
    ("optim", 5, r"optim: got 5, expected a block"),
    ("dataset", "data/train", r"dataset: got 'data/train', expected a block"),
    ("dataset.val", "none", r"dataset\.val: got 'none', expected a block such as .*null for none"),
    ("dataset.train.transforms", ["label_rescaling"], r"transforms: got \['label_rescaling'\], expected a block"),
    ("dataset.train.key_mapping", "y", r"key_mapping: got 'y', expected a block such as \{y: energy"),
    ("dataset.train.key_mapping", {"y": 1}, r"key_mapping: got 'y': 1, expected names"),
    ("dataset.train.src", 5, r"dataset\.train\.src: got 5, expected the path"),
    ("dataset.train.src", [], r"dataset\.train\.src: got \[\], expected the path"),
    ("outputs", ["energy"], r"outputs: got \['energy'\], expected a block"),
    ("outputs.energy", None, r"outputs\.energy: got None, expected a block"),
    ("outputs.energy", {}, r"outputs\.energy\.level: got None, expected system or atom"),
    ("outputs.energy.level", "sytem", r"expected system or atom.*Did you mean 'system'"),
    ("loss_functions", {"energy": 1}, r"loss_functions: got .*, expected a list such as"),
    ("loss_functions", ["energy"], r"loss_functions\.0: got 'energy', expected a list such as"),
    ("loss_functions", [{"energy": "mae"}], r"loss_functions\.0: got .*, expected a list such as"),
    ("evaluation_metrics", "mae", r"evaluation_metrics: got 'mae', expected a block"),
    ("evaluation_metrics.metrics", ["mae"], r"evaluation_metrics\.metrics: got \['mae'\], expected a block"),
    ("evaluation_metrics.metrics", {"energy": "mae"}, r"metrics\.energy: got 'mae', expected a list of metrics"),
    ("evaluation_metrics.metrics", {"stress": ["mae"]}, r"unknown target in evaluation_metrics\.metrics 'stress'"),
    ("task", "train", r"task: got 'train', expected a block"),
    ("slurm", "gpu", r"slurm: got 'gpu', expected a block"),
    # names
    ("trainer", ["dc"], r"trainer: got \['dc'\], expected a name such as dc"),
    ("trainer", None, r"trainer: got None, expected a name"),
    ("trainer", "base", r"trainer: 'base' is an abstract base class"),
    ("trainer", "dcc", r"unknown trainer 'dcc': expected one of dc, e(?!.*\bbase\b)"),
    ("trainer", "os.path.join", r"trainer: os\.path\.join is not a BaseTrainer"),
    ("trainer", "no_such_package.Trainer", r"trainer: no_such_package\.Trainer is not a class that can be imported"),
    ("logger", "tensorbord", r"unknown logger 'tensorbord'.*Did you mean 'tensorboard'"),
    ("logger", ["tensorboard"], r"logger: got \['tensorboard'\], expected tensorboard, wandb, null for none"),
    ("logger", 5, r"logger: got 5, expected tensorboard"),
    ("logger", {"project": "p"}, r"logger: got .*, expected tensorboard"),
    ("dataset.train.format", "lmdbb", r"unknown data format in dataset\.train\.format 'lmdbb'.*Did you mean 'lmdb'"),
    ("dataset.train.format", 3, r"data format in dataset\.train\.format: got 3, expected one of"),
    ("dataset.train.key_mapping", {"energy": "y", "forces": "force"}, r"the wrong way round; .*\{y: energy, force: f"),
    (
        "outputs",
        {"energies": {"level": "system"}},
        r"outputs: 'energies' is not an output of the model.*Did you mean 'energy'",
    ),
    ("model.regress_forces", False, r"model\.regress_forces: got false, but outputs"),
    ("optim.scheduler", "Any", r"unknown optim\.scheduler 'Any': (?!.*\bAny\b.*Did)"),
    ("optim.load_balancing", "bonds", r"optim\.load_balancing: got 'bonds', expected one of atoms, neighbors, False"),
    # the dataset
    ("dataset.train.first_n", 2.5, r"dataset\.train\.first_n: got 2\.5, expected a whole number, at least 1"),
    ("dataset.train.first_n", -3, r"first_n: got -3"),
    ("dataset.val.sample_n", 0, r"dataset\.val\.sample_n: got 0"),
    ("dataset.train.no_shuffle", "no", r"no_shuffle: got 'no', expected true or false"),
    (f"{TRANSFORMS}.label_rescaling.scale", 1e300, r"scale: got 1e\+300, expected from 1e-12 to 1e\+12 eV"),
    (f"{TRANSFORMS}.label_rescaling.scale", 1e-300, r"scale: got 1e-300, expected from"),
    (f"{TRANSFORMS}.label_rescaling.scale", True, r"scale"),
    (TRANSFORMS, {"normalizer": {"energy": {"mean": 0, "stdev": 0}}}, r"normalizer\.energy\.stdev: got 0, expected"),
    (TRANSFORMS, {"normalizer": {"energy": {"mean": float("nan"), "rmsd": 1}}}, r"normalizer\.energy\.mean: got nan"),
    (TRANSFORMS, {"normalizer": [1]}, r"normalizer: got \[1\], expected a block"),
    # the loss
    ("loss_functions.1.forces.coefficient", -1, r"loss_functions\.forces\.coefficient: got -1, expected .*at least 0"),
    ("loss_functions.1.forces.coefficient", "30", r"coefficient: got '30', expected a finite number"),
    ("loss_functions.1.forces.coefficient", float("inf"), r"coefficient: got inf"),
    ("loss_functions.1.forces.coefficient", None, r"coefficient: got None"),
    ("loss_functions.1.forces.reduction", "max", r"reduction: got 'max', expected mean or sum"),
    ("loss_functions.1.forces.final_coefficient", 0, r"forces\.final_coefficient: got 0, expected .*above 0"),
    ("loss_functions.1.forces.final_coefficient", [3], r"forces\.final_coefficient: got \[3\], expected a finite"),
    ("loss_functions.1.forces", NOTHING, r"forces\.coefficient: got 0, from which no factor leads to final_coeff"),
    ("loss_functions.1.forces", HUBER | {"delta": 0}, r"forces\.delta: got 0, expected a finite number, above 0"),
    ("loss_functions.1.forces", HUBER | {"delta": "1e-1"}, r"forces\.delta: got '1e-1', expected a finite number"),
    ("loss_functions.1.forces.delta", 0.1, r"forces\.delta: got 0\.1, but fn: mae has no delta; use fn: huber"),
    ("loss_functions.1.forces", HUBER | {"detla": 1}, r"unknown key 'detla'.*Did you mean 'delta'"),
    ("loss_functions.0.energy.fn", ["mae"], r"unknown loss function in loss_functions\.energy \['mae'\]"),
    ("loss_functions.0.energy.fn", "os.path.join", r"os\.path\.join is not a Module"),
    ("evaluation_metrics", {"primary_metric": 5}, r"unknown evaluation_metrics\.primary_metric 5"),
    (TRANSFORMS, {"normalizer": {"energy": {"mean": 0.0}}}, r"normalizer\.energy: got .*, expected such as \{mean"),
    ("optim.optimizer", "LBFGS", r"optim\.optimizer \(LBFGS\).*closure"),
    ("optim.optimizer", "SparseAdam", r"optim\.optimizer \(SparseAdam\).*dense gradients"),
    ("loss_functions", [{"energy": {"fn": "mae", "coefficient": 0}}], r"all coefficients are 0"),
    # optim
    ("optim.lr_initial", 0.0, r"optim\.lr_initial: got 0\.0, expected a finite number, above 0"),
    ("optim.lr_initial", -1e-3, r"lr_initial: got -0\.001"),
    ("optim.lr_initial", float("nan"), r"lr_initial: got nan"),
    ("optim.lr_initial", None, r"lr_initial: got None"),
    ("optim.lr_initial", True, r"lr_initial: got True"),
    ("optim.lr_initial", "1e-3", r"lr_initial: got '1e-3', expected .* write 1\.0e-3 without quotes"),
    ("optim.clip_grad_norm", -1.0, r"optim\.clip_grad_norm: got -1\.0, expected a finite number, at least 0"),
    ("optim.weight_decay", -1.0, r"optim\.weight_decay: got -1\.0"),
    ("optim.ema_decay", 1.0, r"optim\.ema_decay: got 1\.0, expected a finite number, at least 0 and below 1"),
    ("optim.lr_factors", 0.25, r"optim\.lr_factors: got 0\.25, expected a block such as \{'\^lin1"),
    ("optim.lr_factors", {"^lin1": -1}, r"optim\.lr_factors\.\^lin1: got -1, expected a finite number, above 0"),
    ("optim.swa_start", 0, r"optim\.swa_start: got 0, expected a finite number, above 0 and below 1"),
    ("optim.swa_start", 75, r"optim\.swa_start: got 75"),
    ("optim.ema_decay", -0.5, r"ema_decay: got -0\.5"),
    ("optim.batch_size", 0, r"optim\.batch_size: got 0"),
    ("optim.batch_size", 2.5, r"optim\.batch_size: got 2\.5"),
    ("optim.eval_batch_size", -1, r"eval_batch_size: got -1"),
    ("optim.max_epochs", True, r"max_epochs: got True"),
    ("optim.num_workers", -1, r"num_workers: got -1"),
    ("optim.early_stopping_patience", 0, r"early_stopping_patience: got 0"),
    ("optim.checkpoint_every", -2, r"checkpoint_every: got -2"),
    ("optim.checkpoint_every", 2.5, r"checkpoint_every: got 2\.5"),
    ("optim.eval_every", 2.5, r"eval_every: got 2\.5, expected a whole number"),
    ("optim.optimizer_params", {"betas": 0.9}, r"optimizer_params\.betas: got 0\.9, expected 2 numbers"),
    ("optim.optimizer_params", {"betas": [0.9]}, r"optimizer_params\.betas: got \[0\.9\], expected 2 numbers"),
    ("optim.optimizer_params", {"amsgrad": "yes"}, r"optimizer_params\.amsgrad: got 'yes', expected true or false"),
    ("optim.optimizer_params", {"betas": [0.9, 1.5]}, r"Invalid beta parameter"),
    ("optim.optimizer_params", {"eps": float("nan")}, r"optimizer_params\.eps: got nan, expected a finite number"),
    ("optim.optimizer_params", "fast", r"optimizer_params: got 'fast', expected a block"),
    ("optim.scheduler", "StepLR", r"optim\.step_size: missing; StepLR needs it"),
    ("optim.scheduler", 5, r"unknown optim\.scheduler 5"),
    # what were flags
    ("print_every", 0, r"print_every: got 0"),
    ("seed", -1, r"seed: got -1"),
    ("amp", "no", r"amp: got 'no', expected true or false"),
    ("task.strict_load", "false", r"task\.strict_load: got 'false', expected true or false"),
    ("task.relaxation_fmax", -0.1, r"task\.relaxation_fmax: got -0\.1"),
    ("outputs.forces.train_on_free_atoms", "no", r"outputs\.forces\.train_on_free_atoms: got 'no'"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG, ids=[f"{path}={value}" for path, value, _ in WRONG])
def test_what_is_refused(changed, path, value, message):
    with pytest.raises(UserError) as caught:
        check_run_config(changed(path, value))
    assert re.search(message, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


SCHEDULES = [
    ({"scheduler": "ReduceLROnPlateau", "mode": 5}, r"optim\.scheduler \(ReduceLROnPlateau\)"),
    ({"scheduler": "StepLR", "step_size": 0}, r"optim\.step_size: got 0, expected a whole number, at least 1"),
    ({"scheduler": "StepLR", "step_size": -5}, r"optim\.step_size: got -5"),
    ({"scheduler": "StepLR", "step_size": 2.5}, r"optim\.step_size: got 2\.5"),
    ({"scheduler": "StepLR", "step_size": 1, "gamma": float("nan")}, r"optim\.gamma: got nan, expected a finite"),
    ({"scheduler": "StepLR", "step_size": 1, "gamma": 1e200}, r"gives a learning rate of inf"),
    ({"scheduler": "ExponentialLR", "gamma": -1.0}, r"optim\.gamma: got -1\.0, expected a finite number, above 0"),
    ({"scheduler": "ExponentialLR", "gamma": "1e-1"}, r"optim\.gamma: got '1e-1'.*write 1\.0e-3"),
    ({"scheduler": "CosineAnnealingLR", "T_max": 0}, r"optim\.T_max: got 0"),
    ({"scheduler": "CosineAnnealingLR", "T_max": -3}, r"optim\.T_max: got -3"),
    ({"scheduler": "ReduceLROnPlateau", "factor": -0.5}, r"optim\.factor: got -0\.5"),
    ({"scheduler": "ReduceLROnPlateau", "patience": -1}, r"optim\.patience: got -1"),
    ({"scheduler": "ReduceLROnPlateau", "min_lr": "x"}, r"optim\.min_lr: got 'x'"),
    ({"scheduler": "MultiStepLR", "milestones": ["a"]}, r"optim\.milestones: got 'a', expected a whole number"),
    ({"scheduler": "_LRScheduler"}, r"unknown optim\.scheduler '_LRScheduler'"),
    ({"scheduler": None}, r"optim\.scheduler: got null; for a constant rate write 'Null' in quotes"),
    ({"scheduler": "OneCycleLR", "pct_start": 2.0}, r"pct_start"),
    ({"scheduler": "OneCycleLR", "max_lr": -1.0}, r"optim\.max_lr: got -1\.0"),
    ({"scheduler": "OneCycleLR", "max_lr": [1e-3, float("inf")]}, r"optim\.max_lr\.1: got inf"),
    ({"scheduler": "MultiStepLR", "milestones": 3}, r"optim\.milestones: got 3, expected a list of steps"),
]


WARMUP = {"warmup_steps": 5, "warmup_factor": 0.2, "lr_gamma": 0.1, "lr_milestones": [1000, 2000]}
WARMUPS = [
    ({"lr_milestones": 5}, r"optim\.lr_milestones: got 5, expected a list of steps"),
    ({"lr_milestones": [5, 10]}, r"optim\.lr_milestones: got 5, expected a whole number, at least 100 steps"),
    ({"lr_gamma": -2}, r"optim\.lr_gamma: got -2, expected a finite number, above 0"),
    ({"warmup_factor": -3}, r"optim\.warmup_factor: got -3"),
    ({"warmup_steps": "x"}, r"optim\.warmup_steps: got 'x'"),
]


@pytest.mark.parametrize(("block", "message"), WARMUPS)
def test_warmups_that_mean_nothing(small_config, block, message):
    config = small_config(optim=WARMUP)
    del config["optim"]["scheduler"]
    check_run_config(config)
    config["optim"] |= block
    with pytest.raises(UserError, match=message):
        check_run_config(config)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"mode": "max"}, "optim.mode: max lowers the learning rate while forces_mae gets better; expected min"),
        ({}, None),
        ({"mode": "min", "patience": 2, "factor": 0.8, "min_lr": 1e-6}, None),
    ],
)
def test_a_plateau_is_looked_for_on_the_right_side(small_config, caplog, block, said):
    metrics = {"metrics": {"forces": ["mae"]}, "primary_metric": "forces_mae"}
    check_run_config(small_config(optim={"scheduler": "ReduceLROnPlateau", **block}, evaluation_metrics=metrics))
    assert [said] == [m for m in caplog.messages if "optim." in m] if said else "optim." not in caplog.text


@pytest.mark.parametrize(("block", "message"), SCHEDULES)
def test_schedules_that_torch_trips_over(small_config, block, message):
    with pytest.raises(UserError, match=message):
        check_run_config(small_config(optim=block))


def test_a_schedule_needs_its_length_where_the_trainer_gives_none(small_config):
    transforms = {"train": {**small_config()["dataset"]["train"], "transforms": {}}}
    config = small_config(optim={"scheduler": "OneCycleLR"}, dataset=transforms, trainer="forces")
    with pytest.raises(UserError, match=r"optim\.max_lr: missing; OneCycleLR needs it"):
        check_run_config(config)
    check_run_config({**config, "trainer": "dc"})


TAKEN = [
    ("optim.lr_initial", 1),
    ("optim.clip_grad_norm", 10),
    ("optim.clip_grad_norm", None),
    ("optim.clip_grad_norm", 0),
    ("optim.ema_decay", None),
    ("optim.ema_decay", 0.999),
    ("optim.swa_start", None),
    ("optim.swa_start", 0.75),
    ("optim.lr_factors", {"^lin1|^lin2": 0.25}),
    ("optim.weight_decay", 0),
    ("optim.checkpoint_every", -1),
    ("optim.checkpoint_every", 5.0e3),
    ("optim.eval_every", 5.0e3),
    ("optim.optimizer_params", {"betas": [0.9, 0.95], "eps": 1e-8, "amsgrad": True}),
    ("optim.optimizer_params", None),
    ("optim.scheduler", "OneCycleLR"),
    ("optim.scheduler", "CosineAnnealingLR"),
    ("optim.scheduler", "ReduceLROnPlateau"),
    ("optim.load_balancing", "atoms"),
    ("optim.load_balancing", False),
    ("dataset.val", None),
    ("dataset.test", None),
    ("dataset.train.transforms", None),
    ("dataset.train.src", ["a"]),
    ("task.prediction_dtype", "float32"),
    ("task.relax_opt", {"maxstep": 0.04, "memory": 50, "damping": 1.0, "alpha": 70.0, "traj_dir": "trajectories"}),
    ("task.relax_opt", None),
    ("optim.checkpoint_format", "pt"),
    ("dataset.train.key_mapping", {"y": ["energy"], "force": "forces"}),
    ("dataset.train.first_n", 3),
    ("loss_functions.1.forces.coefficient", 0),
    ("loss_functions.1.forces.coefficient", 0.5),
    ("loss_functions.1.forces.reduction", "mean"),
    ("loss_functions.1.forces", HUBER),
    ("loss_functions.1.forces.final_coefficient", 3),
    ("loss_functions.1.forces.final_coefficient", None),
    ("loss_functions.1.forces", HUBER | {"delta": 1.0e-2}),
    ("loss_functions.1.forces", HUBER | {"delta": None}),
    ("loss_functions.1.forces.delta", None),
    ("task", None),
    ("task.strict_load", False),
    ("logger", "none"),
    ("logger", {"name": "wandb", "project": "p"}),
    ("trainer", "ocp_dc.fairchem1.trainer.DCTrainer"),
    ("seed", None),
    ("model.cutoff", 6),
    ("evaluation_metrics", None),
    ("evaluation_metrics.metrics", {"energy": ["mae"], "misc": ["energy_forces_within_threshold"]}),
    ("dataset.train.transforms.label_rescaling.scale", "1e6 kcal/mol"),
]


@pytest.mark.parametrize(("path", "value"), TAKEN, ids=[f"{path}={value}" for path, value in TAKEN])
def test_what_is_taken(changed, path, value):
    check_run_config(changed(path, value))


def test_label_rescaling_belongs_to_the_training_set(small_config):
    config = copy.deepcopy(small_config())
    config["dataset"]["val"]["transforms"] = config["dataset"]["train"].pop("transforms")
    with pytest.raises(UserError, match=r"dataset\.val\.transforms\.label_rescaling: .*move it to dataset\.train"):
        check_run_config(config)


def test_one_set_for_training_and_validation_is_said_once(small_config, caplog):
    config = copy.deepcopy(small_config())
    with caplog.at_level(logging.WARNING):
        check_run_config(config)
        assert not caplog.messages
        config["dataset"]["val"]["src"] = [config["dataset"]["train"]["src"] + "/../train"]
        check_run_config(config)
    (message,) = caplog.messages
    assert message.startswith("dataset.val and dataset.train are the same data")


@pytest.mark.parametrize(
    ("number", "taken", "refused"),
    [
        (Number(0, above=True), [1, 1e-30, None], [0, -1, float("nan"), float("inf"), True, "1"]),
        (Number(0, 1, below=True), [0, 0.5], [1, 1.5, -0.1]),
        (count(2), [2, 10**9, None], [1, 2.0, False]),
        (count(0, 5, nullable=False), [0, 5], [6, None]),
    ],
)
def test_numbers(number, taken, refused):
    for value in taken:
        number.check(value, "x")
    for value in refused:
        with pytest.raises(UserError, match=r"x: got .*, expected a (finite|whole) number"):
            number.check(value, "x")


RELAXING = [
    ({"relax_opt": {"name": "lbfgs"}}, r"task\.relax_opt: unknown key 'name'"),
    ({"relax_cell": True}, r"task\.relax_cell: true, but the model has no output stress"),
]


@pytest.mark.parametrize(("task", "message"), RELAXING)
def test_what_a_relaxation_cannot_do_is_refused_there_alone(small_config, task, message):
    config = small_config(task=task)
    check_run_config({**config, "mode": "train"})
    with pytest.raises(UserError, match=message):
        check_run_config({**config, "mode": "run-relaxations"})
