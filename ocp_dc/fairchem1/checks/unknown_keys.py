"""Find keys of a config that nothing reads: an error for likely typing errors, one line of warning for the rest.

Fairchem ignores every key that it does not read, and some of its own configs have such keys. So an unknown key is an
error only if it is likely to be a mistake. The blocks of ocp_dc (``dc``, ``label_rescaling``) and the arguments of
models and optimizers are checked elsewhere, where every unknown key is an error.
"""

from __future__ import annotations

import difflib
import functools
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.fairchem1.checks import known_keys
from ocp_dc.fairchem1.checks.known_keys import (
    dataset_keys,
    has_own_schedule,
    is_ours,
    loss_keys,
    optim_keys,
    scheduler_params_keys,
)

ALIKE = 0.8  # similarity of difflib: 0.95 for 'lr_inital' and 'lr_initial', 0.67 for 'source' and 'src'

Block = tuple[str, Mapping[str, Any], Iterable[str], Mapping[str, str]]


def check_unknown_keys(config: Mapping[str, Any], trainer: type, overrides: Iterable[str] = ()) -> None:
    """Raise UserError for unread keys that look like typing errors; list the others in one line of warning.

    Args:
        config: the config of a run, as fairchem's main resolves it from file and overrides.
        trainer: the class of its trainer, on which the keys that are read depend.
        overrides: the dotted keys given on the command line, all of which must have an effect.

    Raises:
        UserError: an unread key is similar to a known one, and that one is absent, or the key is a block, or the
            trainer is ``dc``; or an unread key was given on the command line.
    """
    overrides, unread = frozenset(overrides), []
    for path, block, read, idle in _blocks(config, trainer):
        known = sorted({*read, *idle})
        for key in block:
            if key in read:
                continue
            dotted = key if path == "config" else f"{path}.{key}"
            if key in idle:
                unread.append(f"{dotted} ({idle[key]})")
                continue
            meant = difflib.get_close_matches(str(key).lower(), known, n=1, cutoff=ALIKE)
            sure = meant and (meant[0] not in block or isinstance(block[key], Mapping) or is_ours(trainer))
            if sure or any(f"{given}.".startswith(f"{dotted}.") for given in overrides):
                both = f" {meant[0]!r} is also there: remove one of them" if meant and meant[0] in block else ""
                raise UserError(f"{path}: unknown key {key!r}; expected {', '.join(known)}.{nearest(key, known)}{both}")
            unread.append(f"{dotted} (similar to {meant[0]}, which is also there)" if meant else dotted)
    if unread:
        warn_once(f"these keys of the config are not read and have no effect: {', '.join(unread)}")


@functools.cache
def warn_once(message: str) -> None:
    """Log a warning once: main and then the trainer check the same config."""
    logging.warning(message)


def _blocks(config: Mapping[str, Any], trainer: type) -> Iterator[Block]:
    """Yield each block: its path, its content, the keys that are read, and known keys that are not, with reasons."""
    yield "config", config, known_keys.MAIN_KEYS, {}
    yield "task", _block(config, "task"), known_keys.TASK_KEYS, known_keys.OLD_TASK
    yield "task.relax_opt", _block(_block(config, "task"), "relax_opt"), known_keys.RELAXATION_KEYS, {}
    for name, output in _blocks_in(config, "outputs"):
        yield f"outputs.{name}", output, known_keys.OUTPUT_KEYS, {}
        for part, settings in _blocks_in(output, "decomposition"):
            yield f"outputs.{name}.decomposition.{part}", settings, known_keys.OUTPUT_KEYS, {}
    losses = config.get("loss_functions")
    for loss in losses if isinstance(losses, list) else ():
        for name, settings in _blocks_in({"": loss}, ""):
            yield f"loss_functions.{name}", settings, *loss_keys(trainer)
    yield "evaluation_metrics", _block(config, "evaluation_metrics"), known_keys.METRIC_KEYS, {}
    optim = _block(config, "optim")
    yield "optim", optim, *optim_keys(optim, trainer)
    if has_own_schedule(trainer):
        known = scheduler_params_keys(optim.get("scheduler"))
        yield "optim.scheduler_params", _block(optim, "scheduler_params"), known, {}
    dataset = _block(config, "dataset")
    yield "dataset", dataset, known_keys.SPLITS, {}
    for split, block in _blocks_in(config, "dataset"):
        yield f"dataset.{split}", block, *dataset_keys(block, _block(dataset, "train"))


def _block(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return a block of the config; an empty one if the value is not a block, which another check reports."""
    block = config.get(key)
    return block if isinstance(block, Mapping) else {}


def _blocks_in(config: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in (block := _block(config, key)):
        if isinstance(block[name], Mapping):
            yield name, block[name]
