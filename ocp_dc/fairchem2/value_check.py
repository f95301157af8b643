"""Check the values of a training config of fairchem 2 against tables of valid ones, before anything is built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, count

POSITIVE = Number(0, above=True)
UNIT = "runner.train_eval_unit"
LOADERS = ("runner.train_dataloader", "runner.eval_dataloader", "runner.callbacks.1.test_dataloader")
NUMBERS = {
    "job.seed": count(0, 2**32 - 1),
    "runner.max_epochs": count(),
    "runner.max_steps": count(),
    "runner.evaluate_every_n_steps": count(),
    f"{UNIT}.clip_grad_norm": POSITIVE,  # fairchem clips by any number, and a negative one turns the gradient round
    f"{UNIT}.ema_decay": Number(0, 1, below=True),
    f"{UNIT}.optimizer_fn.lr": Number(0, above=True, nullable=False),
    f"{UNIT}.optimizer_fn.weight_decay": Number(0),
    **{f"{loader}.batch_sampler_fn.batch_size": count(nullable=False) for loader in LOADERS},
    **{f"{loader}.num_workers": count(0) for loader in LOADERS},
}
COEFFICIENT = Number(0)  # a negative one trains uphill
OF_FAIRCHEM1 = ("includes", "trainer", "dataset", "optim", "loss_functions", "evaluation_metrics")
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def check_config(config: DictConfig, where: str) -> None:
    """Check a composed config, in which interpolations may not be resolved.

    Args:
        config: the config.
        where: its file, for messages.

    Raises:
        UserError: it is a config of fairchem 1.10, a number is out of range, or there is no such device.
    """
    if old := [key for key in OF_FAIRCHEM1 if key in config and "runner" not in config]:
        raise UserError(
            f"{where}: a config of fairchem 1.10 (it has {', '.join(old)}), and fairchem 2 is installed; begin with "
            "one that ships, such as fairchem2/schnet-dc, or use an environment with ocp_dc[fairchem1]"
        )
    for path, number in (*NUMBERS.items(), *_coefficients(config)):
        parent, _, key = path.rpartition(".")
        block = OmegaConf.select(config, parent)
        if isinstance(block, DictConfig) and key in block:
            number.check(block[key], _name(block, key, path))
    job = config.get("job") or {}
    if str(job.get("device_type", "")).endswith("CUDA") and not torch.cuda.is_available():
        scheduler = job.get("scheduler") or {}
        if str(scheduler.get("mode", "LOCAL")).endswith("LOCAL"):
            raise bad_value("job.device_type", "CUDA", "'CPU'", mend="torch finds no GPU on this machine")


def _coefficients(config: DictConfig) -> Iterator[tuple[str, Number]]:
    for index, _ in enumerate(OmegaConf.select(config, f"{UNIT}.tasks") or ()):
        yield f"{UNIT}.tasks.{index}.loss_fn.coefficient", COEFFICIENT


def _name(block: Mapping[str, Any], key: str, path: str) -> str:
    """Return the key to which a value refers, such as ``lr``, or its own path."""
    written = OmegaConf.to_container(block, resolve=False)
    found = REFERENCE.fullmatch(str(written[key])) if isinstance(written, Mapping) else None
    return found[1] if found is not None else path
