"""The keys of a config that fairchem 1.10 reads, block by block: in its main, its trainers and its datasets."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch.optim import lr_scheduler

MAIN_KEYS = (
    "trainer task model outputs dataset loss_functions evaluation_metrics optim logger slurm name mode identifier "
    "timestamp_id seed is_debug run_dir print_every amp checkpoint cpu submit summit world_size distributed_backend "
    "gp_gpus hide_eval_progressbar skip_experimental_imports timeout local_rank use_cuda_visibile_devices "
    "resume_with trust_modules"
).split()
TASK_KEYS = (
    "dataset prediction_dtype strict_load eval_relaxations relax_dataset relaxation_steps relaxation_fmax relax_cell "
    "relax_volume relax_opt save_full_traj write_pos num_relaxation_batches set_deterministic_scatter"
).split()
RELAXATION_KEYS = ("maxstep", "memory", "damping", "alpha", "traj_dir")  # of L-BFGS, the only relaxation optimizer
SPLITS = ("train", "val", "test", "relax")
DATASET_KEYS = (
    "src format key_mapping transforms seed first_n sample_n no_shuffle max_atoms subset_to metadata_path lin_ref "
    "use_train_settings splits train_split_settings val_split_settings test_split_settings shard total_shards "
    "a2g_args ase_read_args atoms_transform_args connect_args select_args index_file pattern keep_in_memory "
    "include_relaxed_energy use_tqdm oc20_ref total_energy train_on_oc20_total_energies data2train"
).split()
OUTPUT_KEYS = (
    "level property shape irrep_dim decomposition train_on_free_atoms eval_on_free_atoms prediction_dtype parent"
).split()
LOSS_KEYS = ("fn", "coefficient", "reduction")
METRIC_KEYS = ("metrics", "primary_metric")
OPTIM_KEYS = (
    "optimizer optimizer_params weight_decay lr_initial scheduler batch_size eval_batch_size num_workers max_epochs "
    "eval_every checkpoint_every clip_grad_norm ema_decay load_balancing load_balancing_on_error "
    "load_datasets_and_model_then_exit checkpoint_format"
).split()

OUR_OPTIM = ("early_stopping_patience", "extension", "trainable")

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
        return DATASET_KEYS, OLD_DATASET
    read = [key for key in DATASET_KEYS if key != "lin_ref"]
    return read, {**OLD_DATASET, "lin_ref": "subtracted only from data of format ase_*"}


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
