"""The keys of a config that fairchem 1.10 reads, block by block: in its main, its trainers and its datasets."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler

from ocp_dc.data.dataset_cache import KEYS as READING_KEYS

# key -> its meaning, which the JSON Schema of run configs shows
MAIN_KEYS = {
    "trainer": "dc, or a trainer of fairchem",
    "task": "settings of predictions and relaxations",
    "model": "the model and its arguments",
    "outputs": "what the model predicts, by name",
    "dataset": "the data: train, val, test and relax",
    "loss_functions": "the terms of the loss, one in each entry of the list",
    "evaluation_metrics": "the metrics of a validation",
    "optim": "optimizer, schedule and length of the run",
    "logger": "tensorboard, wandb, null for none, or a block with the name and its settings",
    "slurm": "parameters of submitit for --submit",
    "name": "a name for the logger",
    "mode": "train, predict, validate or run-relaxations; --mode sets it",
    "identifier": "part of the name of the run; --identifier sets it",
    "timestamp_id": "the name of the run's folders; --timestamp-id sets it",
    "seed": "of the weights and of the order of the data",
    "is_debug": "write no files; --debug sets it",
    "run_dir": "the folder of results and checkpoints",
    "print_every": "steps from one line of the log to the next",
    "amp": "mixed precision",
    "checkpoint": "the checkpoint to start from",
    "cpu": "use the CPU even if there is a GPU",
    "submit": "submit the run to Slurm",
    "summit": "the run is on the cluster Summit",
    "world_size": "the number of processes",
    "distributed_backend": "nccl or gloo",
    "gp_gpus": "GPUs that share the graph of a batch",
    "hide_eval_progressbar": "no progress bar for validations",
    "skip_experimental_imports": "skip fairchem's experimental modules",
    "timeout": "minutes that ranks wait for each other",
    "local_rank": "set by the launcher",
    "use_cuda_visibile_devices": "take the GPU that CUDA_VISIBLE_DEVICES names; spelled so in fairchem",
    "resume_with": "the settings with which a run resumes: config or checkpoint; --resume-with sets it",
    "trust_modules": "modules whose code a checkpoint may name",
}
TASK_KEYS = {
    "dataset": "the format of the data in configs without loss_functions",
    "prediction_dtype": "the precision of predictions in files",
    "strict_load": "refuse a checkpoint whose parameters do not all fit",
    "eval_relaxations": "relax structures at each validation",
    "relax_dataset": "the data of these relaxations",
    "relaxation_steps": "steps of a relaxation at most",
    "relaxation_fmax": "the largest force, in eV/Å, at which a relaxation ends",
    "relax_cell": "relax the cell too",
    "relax_volume": "relax the volume of the cell alone",
    "relax_opt": "arguments of L-BFGS",
    "save_full_traj": "write all steps of a relaxation, not only the first and the last",
    "write_pos": "write relaxed positions",
    "num_relaxation_batches": "relax only so many batches",
    "set_deterministic_scatter": "sum in a fixed order",
}
# of L-BFGS, the only relaxation optimizer
RELAXATION_KEYS = {
    "maxstep": "the longest step, in Å",
    "memory": "steps that the optimizer remembers",
    "damping": "a factor of each step",
    "alpha": "the initial curvature, in eV/Å²",
    "traj_dir": "a folder for trajectories",
}
SPLITS = {
    "train": "the training set",
    "val": "the validation set",
    "test": "the test set",
    "relax": "structures for run-relaxations",
}
DATASET_KEYS = {
    "src": "the folder or file of the data: LMDBs, or any structures; or a list of them",
    **READING_KEYS,
    "format": "lmdb, lmdb_in_memory (read once), oc22_lmdb, ase_db, ase_read, ase_read_multi, or of a package of yours",
    "key_mapping": "names of the labels in the data, each with the output that it is for",
    "transforms": "changes of each structure, by name",
    "seed": "of sample_n and of the order",
    "first_n": "use only the first structures",
    "sample_n": "use so many structures, drawn at random",
    "no_shuffle": "keep the order of the structures",
    "max_atoms": "leave out larger structures",
    "subset_to": "conditions on the metadata of a structure",
    "metadata_path": "the file with the numbers of atoms, if it is not beside the data",
    "lin_ref": "the file of linear references, which are subtracted from the energy",
    "use_train_settings": "take the settings of train that this set does not have",
    "splits": "several data sets in one block",
    "train_split_settings": "settings of these sets in training",
    "val_split_settings": "settings of these sets in validation",
    "test_split_settings": "settings of these sets in a test",
    "shard": "the number of the part of the data to use",
    "total_shards": "the number of these parts",
    "a2g_args": "arguments of the conversion from ase",
    "ase_read_args": "arguments of ase.io.read",
    "atoms_transform_args": "arguments of the change of each Atoms",
    "connect_args": "arguments of ase.db.connect",
    "select_args": "arguments of the selection from a database",
    "index_file": "a file with the names of the structures' files",
    "pattern": "a pattern of the names of the files",
    "keep_in_memory": "read each structure once",
    "include_relaxed_energy": "read the relaxed energy too",
    "use_tqdm": "show a progress bar while files are found",
    "oc20_ref": "the file of OC20's reference energies",
    "total_energy": "train on total energies",
    "train_on_oc20_total_energies": "turn OC20's energies into total ones",
    "data2train": "the part of OC22: all, adslabs or slabs",
}
OUTPUT_KEYS = {
    "level": "system: one for each structure; atom: one for each atom",
    "property": "the name of the model's output, if it is another",
    "shape": "the number of components",
    "irrep_dim": "the degree of the spherical part",
    "decomposition": "parts of a tensor, by name",
    "train_on_free_atoms": "leave out fixed atoms in the loss",
    "eval_on_free_atoms": "leave out fixed atoms in metrics",
    "prediction_dtype": "the precision of this prediction in files",
    "parent": "the output of which this one is a part",
}
LOSS_KEYS = {
    "fn": "the loss, such as mae, mse, l2mae or huber",
    "coefficient": "its weight",
    "reduction": "mean or sum",
}
OUR_LOSS = {
    "final_coefficient": "the weight at the end of the run, to which it moves from coefficient; trainer dc",
    "delta": "of huber: the error beyond which it is linear, in units of the scaled labels; 0.1 by default; trainer dc",
}
METRIC_KEYS = {
    "metrics": "lists of metrics, by output",
    "primary_metric": "the metric that selects the best checkpoint, such as forces_mae, or loss",
}
OPTIM_KEYS = {
    "optimizer": "an optimizer of torch",
    "optimizer_params": "its arguments",
    "weight_decay": "the weight decay of all parameters but biases and such",
    "lr_initial": "the learning rate at the start",
    "scheduler": "a schedule of torch, or 'Null' for a constant rate; a warmup and steps where it is absent",
    "batch_size": "structures in a batch, on each rank",
    "eval_batch_size": "structures in a batch of a validation",
    "num_workers": "processes that read data; 0 for none",
    "max_epochs": "passes over the training set",
    "eval_every": "steps from one validation to the next; an epoch where it is absent",
    "checkpoint_every": "steps from one checkpoint to the next; -1 for an epoch",
    "clip_grad_norm": "the largest norm of the gradient; 0 for no limit",
    "ema_decay": "of the average of the weights, which is validated",
    "load_balancing": "share the batches among ranks by atoms or neighbors",
    "load_balancing_on_error": "what to do if that is not possible",
    "load_datasets_and_model_then_exit": "end before training",
    "checkpoint_format": "pt or dcp",
}
OUR_OPTIM = {
    "early_stopping_patience": "validations without an improvement after which the run ends; trainer dc",
    "lr_factors": "factors of the learning rate, by regular expressions on names of parameters; trainer dc",
    "swa_start": "share of the run after which weights are averaged equally, in place of ema_decay; trainer dc",
    "extension": "more epochs for a finished run, which ocp-dc extend sets: {after: 30, peak: 0.3}; trainer dc",
    "trainable": "head, or regular expressions: train only the parameters with such names; trainer dc",
}

# Keys that are read in some configs only, with the reason.
OLD_LAYOUT = "read in configs without loss_functions"
OLD_TASK = dict.fromkeys(
    "description type metric labels grad_input train_on_free_atoms eval_on_free_atoms primary_metric".split(),
    OLD_LAYOUT,
)
OLD_DATASET = dict.fromkeys(
    "normalize_labels target_mean target_std grad_target_mean grad_target_std".split(), OLD_LAYOUT
)
OLD_OPTIM = dict.fromkeys("energy_coefficient force_coefficient loss_energy loss_forces".split(), OLD_LAYOUT)
# arguments of fairchem's default schedule, a function of the step that no checkpoint stores
WARMUP = ("warmup_steps", "warmup_factor", "lr_gamma", "lr_milestones")
LAMBDAS = {  # keys of scheduler_params for LambdaLR, by its lambda_type
    "cosine": ("warmup_epochs", "warmup_factor", "lr_min_factor"),
    "multistep": ("warmup_epochs", "warmup_factor", "decay_epochs", "decay_rate"),
}
DENOISING = ("use_denoising_pos", "denoising_pos_params", "denoising_pos_coefficient")


def is_ours(trainer: Any) -> bool:
    """Return whether a trainer, class or instance, is ``dc`` or derived from it."""
    return hasattr(trainer, "set_label_rescaling")


def has_own_schedule(trainer: type) -> bool:
    """Return whether a trainer reads ``optim.scheduler_params``, as those of EquiformerV2 and eSEN do."""
    own = ("fairchem.core.models.equiformer_v2.trainers", "fairchem.core.models.esen.trainers")
    return any(base.__module__.startswith(own) for base in trainer.__mro__)


def schedule_arguments(name: object) -> Mapping[str, inspect.Parameter]:
    """Return the arguments of one of torch's schedules except the optimizer; empty for ``Null``."""
    found = getattr(lr_scheduler, str(name), None)
    parameters = dict(inspect.signature(found).parameters) if isinstance(found, type) else {}
    parameters.pop("optimizer", None)
    return parameters


def scheduler_params_keys(name: object) -> list[str]:
    """Return the keys that ``optim.scheduler_params`` may have for a schedule; the trainer adds epochs and lr."""
    return [
        "epochs",
        "lr",
        "lambda_type",
        *schedule_arguments(name),
        *(key for keys in LAMBDAS.values() for key in keys),
    ]


def dataset_keys(block: Mapping[str, Any], train: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the keys of one split of ``dataset`` that are read, and the known keys that are not, with the reason."""
    if str(block.get("format", train.get("format", "lmdb"))).startswith("ase"):
        return list(DATASET_KEYS), OLD_DATASET
    read = [key for key in DATASET_KEYS if key != "lin_ref"]
    return read, {**OLD_DATASET, "lin_ref": "subtracted only from data of format ase_*"}


def loss_keys(trainer: type) -> tuple[list[str], dict[str, str]]:
    """Return the keys of a term of the loss that a trainer reads, and the known keys that it does not, with reasons."""
    if is_ours(trainer):
        return [*LOSS_KEYS, *OUR_LOSS], {}
    return list(LOSS_KEYS), dict.fromkeys(OUR_LOSS, "read by the trainer dc")


def optim_keys(optim: Mapping[str, Any], trainer: type) -> tuple[list[str], dict[str, str]]:
    """Return the keys of ``optim`` that a trainer reads, and the known keys that it does not, with the reason."""
    name = optim.get("scheduler")
    read, idle = [*OPTIM_KEYS], dict(OLD_OPTIM)
    if has_own_schedule(trainer):
        read.append("scheduler_params")
        idle |= dict.fromkeys([*WARMUP, *schedule_arguments(name)], "trainer reads scheduler_params")
    else:
        read += WARMUP if name is None else schedule_arguments(name)
        idle |= {} if name is None else dict.fromkeys(WARMUP, "read only without a scheduler")
        idle["scheduler_params"] = "read by the trainers equiformerv2_* and mlip_*"
    if any("denoising_targets" in vars(base) for base in trainer.__mro__):
        read += DENOISING
    else:
        idle |= dict.fromkeys(DENOISING, "read by trainers that denoise")
    if is_ours(trainer):
        read += OUR_OPTIM
    else:
        idle |= dict.fromkeys(OUR_OPTIM, "read by the trainer dc")
    return read, idle
