"""Convert run configs from fairchem's older layouts: data sets as a list, labels and losses in ``task`` and ``optim``.

Fairchem's trainers convert them when they are built. Here this is done before a config is checked, so that all checks
read a single layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairchem.core.common.utils import update_config

from ocp_dc.fairchem1.checks.known_keys import OLD_DATASET, OLD_OPTIM, OLD_TASK

SPLITS = ("train", "val", "test")  # in the order of a list
FORMATS = (
    "trajectory_lmdb trajectory_lmdb_v2 lmdb single_point_lmdb oc22_lmdb ase_read ase_read_multi ase_db"
).split()  # values of task.dataset whose labels fairchem knows


def with_named_splits(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config with its data sets under their names, also if it gives them as a list of blocks."""
    listed = config.get("dataset")
    if not isinstance(listed, list) or not 1 <= len(listed) <= len(SPLITS):
        return config
    if not all(block is None or isinstance(block, Mapping) for block in listed):
        return config  # check_blocks reports this
    return {**config, "dataset": dict(zip(SPLITS, listed, strict=False))}


def in_present_layout(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config of an older layout in the present one; other configs are returned unchanged.

    Args:
        config: the config of a run, with its data sets under their names.
    """
    task, dataset = config.get("task"), config.get("dataset")
    if config.get("loss_functions") or not isinstance(task, Mapping) or task.get("dataset") not in FORMATS:
        return config
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get("train"), Mapping):
        return config
    if not isinstance(config.get("optim"), Mapping):
        return config
    made = update_config({**config, "dataset": dict(dataset["train"])})
    return {
        **config,
        "dataset": {**dataset, "train": _without(made["dataset"], OLD_DATASET)},
        "task": _without(task, OLD_TASK),
        "optim": _without(config["optim"], OLD_OPTIM),
        **{name: made[name] for name in ("outputs", "loss_functions", "evaluation_metrics")},
    }


def _without(block: Mapping[str, Any], read: Mapping[str, str]) -> dict[str, Any]:
    """Return a block without the keys that the conversion has read."""
    return {key: value for key, value in block.items() if key not in read}
