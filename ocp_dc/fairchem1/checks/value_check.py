"""Check the numbers and switches of a run config against tables of valid values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, count, is_whole
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.checks.known_keys import RELAXATION_KEYS

POSITIVE = Number(0, above=True)
NOT_NEGATIVE = Number(0)
OPTIM = {
    "lr_initial": Number(0, above=True, nullable=False),
    "max_lr": POSITIVE,
    "clip_grad_norm": NOT_NEGATIVE,  # 0 is no clipping, as in fairchem
    "ema_decay": Number(0, 1, below=True),
    "swa_start": Number(0, 1, above=True, below=True),
    "weight_decay": NOT_NEGATIVE,
    "energy_coefficient": NOT_NEGATIVE,
    "force_coefficient": NOT_NEGATIVE,
    "batch_size": count(nullable=False),
    "eval_batch_size": count(nullable=False),
    "max_epochs": count(nullable=False),
    "eval_every": Number(1, whole=True, as_float=True, nullable=False),  # the step is divided by it
    "early_stopping_patience": count(nullable=False),
    "num_workers": count(0, nullable=False),
}
TOP = {"seed": count(0, 2**32 - 1), "print_every": count(nullable=False), "timeout": POSITIVE}
TASK = {"relaxation_steps": count(), "relaxation_fmax": POSITIVE, "num_relaxation_batches": count()}
SPLIT = {"first_n": count(), "sample_n": count(), "max_atoms": count(), "seed": count(0)}
NORMALIZER = {"mean": Number(), "stdev": POSITIVE, "rmsd": POSITIVE}
# keys that are true or false; in Python any text is true, even 'no'
SWITCHES = {
    "": "amp cpu is_debug submit summit hide_eval_progressbar",
    "task": "train_on_free_atoms eval_on_free_atoms strict_load eval_relaxations relax_cell relax_volume write_pos "
    "set_deterministic_scatter save_full_traj",
    "dataset": "no_shuffle use_train_settings keep_in_memory include_relaxed_energy use_tqdm total_energy",
    "optim": "load_datasets_and_model_then_exit use_denoising_pos",
    "outputs": "train_on_free_atoms eval_on_free_atoms",
}
FORMATS = ("pt", "dcp")  # of checkpoints
LEVELS = ("system", "atom")
LEVEL_OF = {"energy": "system", "forces": "atom", "stress": "system"}
DTYPES = ("float16", "float32")  # of predictions in fairchem's files; fairchem treats any other text as float16
RELAXATION = {"maxstep": POSITIVE, "memory": count(), "damping": POSITIVE, "alpha": POSITIVE}


def check_numbers(block: Mapping[str, Any], table: Mapping[str, Number], path: str) -> None:
    """Check the numbers of a block that are in a table.

    Raises:
        UserError: a number is not valid.
    """
    for key, number in table.items():
        if key in block:
            number.check(block[key], f"{path}.{key}".lstrip("."))


def check_switches(block: Mapping[str, Any], kind: str, path: str) -> None:
    """Check that the switches of a block are true or false.

    Raises:
        UserError: a switch has another value, such as a text.
    """
    for key in SWITCHES[kind].split():
        if block.get(key) is not None and not isinstance(block[key], bool):
            raise bad_value(f"{path}.{key}".lstrip("."), block[key], "true or false")


def check_optim_numbers(optim: Mapping[str, Any]) -> None:
    """Check the numbers of the ``optim`` block.

    Raises:
        UserError: a number is not valid.
    """
    rates = optim.get("max_lr")
    for number, rate in enumerate(rates if isinstance(rates, list) else ()):  # one for each group of parameters
        OPTIM["max_lr"].check(rate, f"optim.max_lr.{number}")
    check_numbers({k: v for k, v in optim.items() if not (k == "max_lr" and isinstance(v, list))}, OPTIM, "optim")
    if optim.get("checkpoint_format", "pt") not in FORMATS:
        raise bad_value("optim.checkpoint_format", optim["checkpoint_format"], " or ".join(FORMATS))
    check_switches(optim, "optim", "optim")
    every = optim.get("checkpoint_every", -1)
    if not is_whole(every) or (every < 1 and every != -1):
        raise bad_value("optim.checkpoint_every", every, "a whole number, at least 1, or -1 for every epoch")


def check_values(config: Mapping[str, Any]) -> None:
    """Check the numbers and switches of a run config outside ``optim`` and ``model``.

    Args:
        config: the resolved config, whose structure is checked already.

    Raises:
        UserError: a value is not valid.
    """
    check_numbers(config, TOP, "")
    check_switches(config, "", "")
    task = config.get("task") or {}
    check_numbers(task, TASK, "task")
    check_switches(task, "task", "task")
    _check_texts(task, ("dataset",), "task")
    _check_dtype(task, "task")
    _check_relaxation(task.get("relax_opt"), runs=config.get("mode") == "run-relaxations")
    for key in ("relax_cell", "relax_volume"):
        if task.get(key) and config.get("mode") == "run-relaxations" and "stress" not in config["outputs"]:
            raise UserError(
                f"task.{key}: true, but the model has no output stress, which the relaxation of a cell needs"
            )
    for name, output in config["outputs"].items():
        check_switches(output, "outputs", f"outputs.{name}")
        if output.get("level") not in LEVELS:
            raise bad_value(f"outputs.{name}.level", output.get("level"), " or ".join(LEVELS), names=LEVELS)
        if output["level"] != LEVEL_OF.get(name, output["level"]):
            raise UserError(f"outputs.{name}.level: got {output['level']}, expected {LEVEL_OF[name]} for {name}")
        _check_texts(output, ("property", "parent"), f"outputs.{name}")
        _check_dtype(output, f"outputs.{name}")
        check_numbers(output, {"irrep_dim": count(0)}, f"outputs.{name}")
    for split, block in config["dataset"].items():
        check_numbers(block or {}, SPLIT, f"dataset.{split}")
        check_switches(block or {}, "dataset", f"dataset.{split}")
        for target, numbers in (((block or {}).get("transforms") or {}).get("normalizer") or {}).items():
            if isinstance(numbers, Mapping):
                whole = "file" in numbers or ("mean" in numbers and {"stdev", "rmsd"} & set(numbers))
                if target not in ("fit", "file") and not whole:
                    raise UserError(
                        f"dataset.{split}.transforms.normalizer.{target}: got {dict(numbers)}, expected such as "
                        "{mean: 0.0, stdev: 1.0}"
                    )
                check_numbers(numbers, NORMALIZER, f"dataset.{split}.transforms.normalizer.{target}")


def _check_texts(block: Mapping[str, Any], keys: tuple[str, ...], path: str) -> None:
    for key in keys:
        if not isinstance(block.get(key, ""), str):
            raise bad_value(f"{path}.{key}", block[key], "a name")


def _check_dtype(block: Mapping[str, Any], path: str) -> None:
    dtype = block.get("prediction_dtype", DTYPES[0])
    if dtype not in DTYPES:
        raise bad_value(f"{path}.prediction_dtype", dtype, " or ".join(DTYPES), names=DTYPES)


def _check_relaxation(block: Any, runs: bool) -> None:
    """Check the arguments of fairchem's L-BFGS; without a relaxation, unknown keys are not an error."""
    if block is None:
        return
    if not isinstance(block, Mapping):
        raise bad_value("task.relax_opt", block, "a block such as {maxstep: 0.04, memory: 50}")
    if runs:
        check_keys(block, RELAXATION_KEYS, "task.relax_opt")
    check_numbers(block, RELAXATION, "task.relax_opt")
    _check_texts({k: v for k, v in block.items() if v is not None}, ("traj_dir",), "task.relax_opt")
