"""Check the values of a training config of fairchem 2 against tables of valid ones, before anything is built."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from glob import glob
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, count

POSITIVE = Number(0, above=True)
UNIT = "runner.train_eval_unit"
LOADERS = {  # and what to do without its data
    "runner.train_dataloader": "set data_dir to a folder that `ocp-dc prepare` made, or sources.train to a file",
    "runner.eval_dataloader": "a run needs data for validation; prepare some with --val N",
    "runner.callbacks.1.test_dataloader": "prepare some with --test N, or set test_dataloader=null to do without",
}
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
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def check_config(config: DictConfig) -> None:
    """Check a composed config, in which interpolations may not be resolved.

    Args:
        config: the config.

    Raises:
        UserError: a number is out of range, or there is no such device or data set.
    """
    for loader, mend in LOADERS.items():
        _check_sources(OmegaConf.select(config, f"{loader}.dataset.dataset_configs"), mend)
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


def _check_sources(datasets: Any, mend: str) -> None:
    """Check that the files of data sets exist, by the same patterns as fairchem."""
    for block in (datasets or {}).values():
        for split in (block.get("splits") or {}).values():
            source = split.get("src")
            if isinstance(source, str) and not glob(source):  # noqa: PTH207 - as fairchem finds them
                raise UserError(f"{source}: no such file or folder; {mend}")


def _coefficients(config: DictConfig) -> Iterator[tuple[str, Number]]:
    for index, _ in enumerate(OmegaConf.select(config, f"{UNIT}.tasks") or ()):
        yield f"{UNIT}.tasks.{index}.loss_fn.coefficient", COEFFICIENT


def _name(block: Mapping[str, Any], key: str, path: str) -> str:
    """Return the key to which a value refers, such as ``lr``, or its own path."""
    written = OmegaConf.to_container(block, resolve=False)
    found = REFERENCE.fullmatch(str(written[key])) if isinstance(written, Mapping) else None
    return found[1] if found is not None else path
