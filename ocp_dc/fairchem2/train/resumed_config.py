"""Compare the config of a resumed run with the one that its checkpoint was saved with."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ocp_dc.core.errors import UserError

UNIT = "runner.train_eval_unit"
FREE = ("dc.accelerate", "finetune_config")  # without effect on what the weights mean
SCALES = ("normalizer", "element_references")


def check_resumed(before: Any, now: Any, where: str, logs: bool) -> None:
    """Check that the weights of a checkpoint mean the same in the resumed run; warn of other training data.

    Args:
        before: the config that the checkpoint was saved with, resolved.
        now: that of the resumed run.
        where: the checkpoint, for messages.
        logs: whether this process logs.

    Raises:
        UserError: the model, or the scale or references of a task, are others.
    """
    old, new = (_meaning(config) for config in (before, now))
    if (key := _first_difference(old, new)) is not None:
        raise UserError(
            f"{key}: got {_short(new.get(key))}, and {where} was saved with {_short(old.get(key))}: its weights mean "
            "something else now. Resume with the config of the run, or give a new run its own ++job.timestamp_id=NAME"
        )
    old, new = (dict(_leaves(_plain(config, "runner.train_dataloader.dataset"), "train")) for config in (before, now))
    if logs and (key := _first_difference(old, new)) is not None:
        logging.warning(f"resumed with other training data: {key} was {_short(old.get(key))}, now {new.get(key)}")


def same_losses(before: Any, now: Any) -> bool:
    """Return whether the loss of the validation is the same number with two configs."""
    old, new = (
        {
            path: value
            for task in _plain(config, f"{UNIT}.tasks") or ()
            for path, value in _leaves(task.get("loss_fn"), str(task.get("name")))
        }
        for config in (before, now)
    )
    return _first_difference(old, new) is None


def _meaning(config: DictConfig) -> dict[str, Any]:
    """Return the values that say what weights mean, by name."""
    model = dict(_leaves(_plain(config, f"{UNIT}.model"), "model"))
    if not str(model.get("model._target_")).endswith("HydraModel"):  # a fine-tuned model, described in another way
        model = {}
    tasks = {
        path: value
        for task in _plain(config, f"{UNIT}.tasks") or ()
        for kind in SCALES
        for path, value in _leaves(task.get(kind), f"tasks.{task.get('name')}.{kind}")
    }
    kept = {path: value for path, value in model.items() if not path.removeprefix("model.").startswith(FREE)}
    return {**kept, **tasks}


def _plain(config: DictConfig, path: str) -> Any:
    found = OmegaConf.select(config, path)
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, each in items:
        yield from _leaves(each, f"{path}.{key}")


def _first_difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    models = [any(path.startswith("model.") for path in each) for each in (old, new)]
    paths = [path for path in {**old, **new} if all(models) or not path.startswith("model.")]
    return next((path for path in paths if not _equal(old.get(path), new.get(path))), None)


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-9) or (math.isnan(old) and math.isnan(new))
    return bool(old == new)


def _short(value: Any) -> str:
    return f"{value!r:.60}"
