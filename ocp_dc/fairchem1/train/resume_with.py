"""Decide for each key of a resumed run's config whether the given config or the checkpoint's config applies.

A checkpoint contains optimizer, schedule, averages and label rescaling, so that a resumed run is exact. They would
silently override a config that differs. So the two configs are compared before anything is built, the differences are
logged, and the training run uses and records the resulting config.
"""

from __future__ import annotations

import copy
import itertools
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_logging, update_config

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.known_keys import WARMUP, is_ours, schedule_arguments
from ocp_dc.fairchem1.train.checkpoints import read_checkpoint
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME
from ocp_dc.training.checkpoint_check import check_training_state
from ocp_dc.training.plain import as_plain_data
from ocp_dc.training.records import SPLITS

CHOICES = ("config", "checkpoint")
# length and place of a run: always the config's; only the first key changes the result
RUN_KEYS = (
    "max_epochs",
    "extension",
    *("eval_every", "checkpoint_every", "early_stopping_patience", "num_workers", "eval_batch_size"),
)
# keys whose values are in the states of optimizer and schedule, beside the schedule's own arguments
STATE_KEYS = ("optimizer", "optimizer_params", "weight_decay", "lr_initial", "lr_factors", "scheduler")
MOST_LINES = 20
NOT_COMPARED = ("format", "keep_in_memory", "use_tqdm")  # keys of data sets that do not change the structures
LABELS = f"dataset.train.transforms.{TRANSFORM_NAME}"

_uses_given_settings: ContextVar[bool] = ContextVar("uses_given_settings", default=False)


def uses_given_settings() -> bool:
    """Return whether the current run uses the hyperparameters of its config instead of the checkpoint's."""
    return _uses_given_settings.get()


@contextmanager
def resumed_config(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the config that a run uses: ``config``, with the values of the checkpoint that apply.

    Args:
        config: the config from fairchem's main; ``resume_with`` is config, checkpoint, or None for the default.

    Raises:
        UserError: an unknown choice, a checkpoint that cannot be read, or a trainer that does not support the choice.
    """
    choice = config.get("resume_with")
    if choice not in (None, *CHOICES):
        raise UserError(f"--resume-with: got {choice!r}, expected one of {', '.join(CHOICES)}")
    path = find_checkpoint(config)
    if config["mode"] != "train" or path is None:
        yield config
        return
    setup_logging()
    checkpoint = read_checkpoint(path, "cpu")
    check_training_state(checkpoint, f"checkpoint {path}")
    saved = _as_run_config(checkpoint["config"])
    differences = compare(saved, config)
    sources = {key: _choose_source(key, choice, "optimizer" in checkpoint, saved, config) for key in differences}
    if choice is None and "optimizer" not in checkpoint:  # a new run, which starts from weights
        differences = {key: pair for key, pair in differences.items() if sources[key] == "checkpoint"}
    if choice == "config" and "optimizer" in checkpoint and _differs_in_training(differences):
        if not _rescales(config):
            raise UserError("--resume-with config: only 'trainer: dc' can do that; the checkpoint's optimizer counts")
        token = _uses_given_settings.set(True)
    else:
        token = None
    _log_differences(path, differences, sources, choice)
    try:
        yield _merge_saved(config, saved, sources)
    finally:
        if token is not None:
            _uses_given_settings.reset(token)


def find_checkpoint(config: Mapping[str, Any]) -> Path | None:
    """Return the checkpoint that fairchem's main will load: the given one, or the last one of the run."""
    if config.get("checkpoint") is not None:
        return Path(config["checkpoint"])
    own = Path(config.get("run_dir") or ".", "checkpoints", str(config.get("timestamp_id")), "checkpoint.pt")
    return own if config.get("timestamp_id") is not None and own.is_file() else None


def compare(saved: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the differences of two run configs: dotted keys with both values, None for an absent key."""
    one, two = _comparable(saved), _comparable(given)
    return {key: (one.get(key), two.get(key)) for key in sorted({*one, *two}) if one.get(key) != two.get(key)}


def same_losses(saved: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Return whether the loss of the validation is the same number in the configs of two trainers."""
    one, two = (_comparable({"loss_functions": _as_run_config(config)["loss_functions"]}) for config in (saved, given))
    return one == two


def _choose_source(
    key: str, choice: str | None, has_state: bool, saved: Mapping[str, Any], given: Mapping[str, Any]
) -> Literal["config", "checkpoint"]:
    """Return which of the two configs applies for a key that differs.

    Args:
        key: the dotted key.
        choice: the choice of the user, if any.
        has_state: whether the checkpoint contains the state of an optimizer; weights alone start a new run.
        saved: the config in the checkpoint.
        given: the given config.
    """
    if key == LABELS:
        return "checkpoint"  # its weights were trained on such labels
    name = key.removeprefix("optim.").split(".")[0]
    if name in RUN_KEYS:
        return "config"
    if choice is not None:
        return "config" if choice == "config" else "checkpoint"
    if not key.startswith("optim.") or not has_state:
        return "config"
    one, two = saved["optim"], given["optim"]
    if name in ("ema_decay", "swa_start"):  # averages are switched on and off by the config
        return "checkpoint" if one.get(name) and two.get(name) else "config"
    if name in WARMUP:  # a function that no checkpoint holds, unless it is another schedule's
        return "config" if one.get("scheduler") == two.get("scheduler") else "checkpoint"
    arguments = {key for optim in (one, two) for key in schedule_arguments(optim.get("scheduler") or "LambdaLR")}
    return "checkpoint" if name in STATE_KEYS or name in arguments else "config"


def _merge_saved(config: dict[str, Any], saved: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    """Return a copy of the config, with the checkpoint's values for the keys that it decides."""
    config = copy.deepcopy(config)
    for key in (key for key, source in sources.items() if source == "checkpoint"):
        parts = key.split(".")
        if key == LABELS:
            transforms = config["dataset"]["train"].get("transforms") or {}
            if _rescales(config) and not {"normalizer", "element_references"} & set(transforms):
                _take(config, saved, ["dataset", "train", "transforms", TRANSFORM_NAME])
        elif parts[0] == "loss_functions":
            config["loss_functions"] = copy.deepcopy(saved["loss_functions"])
        else:
            _take(config, saved, parts[: {"dataset": 3, "optim": 2}.get(parts[0], 1)])
    return config


def _rescales(config: Mapping[str, Any]) -> bool:
    return is_ours(registry.get_trainer_class(config.get("trainer", "ocp")))


def _take(config: dict[str, Any], saved: Mapping[str, Any], path: list[str]) -> None:
    """Copy one entry from the saved config, or remove it if the saved config lacks it."""
    *above, last = path
    target: Any = config
    source: Any = saved
    for name in above:
        target[name] = dict(target.get(name) or {})
        target, source = target[name], (source.get(name) or {})
    if source.get(last) is None:
        target.pop(last, None)
    else:
        target[last] = copy.deepcopy(source[last])


def _log_differences(
    path: Path, differences: Mapping[str, tuple[Any, Any]], sources: Mapping[str, str], choice: str | None
) -> None:
    """Log once which keys differ and which config applies for each."""
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) != 0:
        return
    shown = {
        key: pair for key, pair in differences.items() if key.removeprefix("optim.").split(".")[0] not in RUN_KEYS[1:]
    }
    if not shown:
        return
    lines = [
        f"  {key}: {_short(there)} in the checkpoint, {_short(here)} in the config; the {sources[key]}'s counts"
        for key, (there, here) in itertools.islice(shown.items(), MOST_LINES)
    ]
    if len(shown) > MOST_LINES:
        lines.append(f"  and {len(shown) - MOST_LINES} more")
    advice = (
        "\n--resume-with config lets the config count wherever it can, --resume-with checkpoint everything that the "
        "run was started with except the length of training"
    )
    log = logging.info if set(shown) == {"optim.max_epochs"} else logging.warning
    head = f"checkpoint {path} was saved with a config that differs from the given one:\n"
    log(head + "\n".join(lines) + (advice if choice is None else ""))


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _differs_in_training(differences: Mapping[str, Any]) -> bool:
    """Return whether settings of optimizer, schedule or averages differ, including the length of the schedule."""
    keys = [key.removeprefix("optim.").split(".")[0] for key in differences if key.startswith("optim.")]
    return any(key == "max_epochs" or key not in RUN_KEYS for key in keys)


def _as_run_config(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of a checkpoint in the layout of a run config, for comparison."""
    config = copy.deepcopy(dict(saved))
    if "model_attributes" not in config:
        config = update_config(config)
    return {
        "optim": config.get("optim") or {},
        "loss_functions": config.get("loss_functions") or [],
        "dataset": {split: config[name] for split, name in SPLITS.items() if config.get(name)},
        "seed": (config.get("cmd") or {}).get("seed"),
        "amp": bool(config.get("amp")),
    }


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a config that change a run, flat; defaults that a trainer fills in are omitted."""
    flat = _flat(config.get("optim") or {}, "optim")
    for loss in config.get("loss_functions") or []:
        for target, settings in loss.items():
            flat |= _flat(settings or {}, f"loss_functions.{target}")
    for split, block in (config.get("dataset") or {}).items():
        kept = {key: value for key, value in (block or {}).items() if key not in NOT_COMPARED and key != "transforms"}
        flat |= _flat(kept, f"dataset.{split}")
        for name, settings in ((block or {}).get("transforms") or {}).items():
            flat[f"dataset.{split}.transforms.{name}"] = _without_marks(as_plain_data(settings))
    flat["seed"], flat["amp"] = config.get("seed"), bool(config.get("amp"))
    return {
        key: str(Path(v).resolve()) if key.endswith(".src") and isinstance(v, str) else v for key, v in flat.items()
    }


def _flat(block: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}.{key}")
        elif value is not None and value != []:
            flat[f"{prefix}.{key}"] = as_plain_data(value)
    return flat


def _without_marks(settings: Any) -> Any:
    """Return a transform's settings without the mark that fairchem adds after fitting them."""
    if not isinstance(settings, dict):
        return settings
    return {key: _without_marks(value) for key, value in settings.items() if key != "fitted"}
