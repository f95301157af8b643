"""Resolve the config of a trainer: check it, fill in defaults, and replace names by dotted paths."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairchem.core.common.registry import registry

from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.fairchem1.checks import config_check
from ocp_dc.fairchem1.host_patches.structure_files import lmdb_of
from ocp_dc.fairchem1.train import loss_and_metrics, scale_factors
from ocp_dc.training import records

SPLITS = ("dataset", "val_dataset", "test_dataset")
NAMES = {name: f"dataset.{split}" for split, name in records.SPLITS.items()}
OC22 = "oc22_lmdb"  # a data set of fairchem that reads LMDBs only


def resolve_config(given: Mapping[str, Any], trainer: type, inference_only: bool) -> dict[str, Any]:
    """Return the config that a trainer builds from and saves.

    Args:
        given: the config as fairchem's trainer takes it.
        trainer: the class of the trainer.
        inference_only: skip the checks of values that only training reads.

    Raises:
        UserError: the config is not valid.
    """
    if not inference_only:
        config_check.check_trainer_config(given, trainer)
    config = dict(given)
    config["trainer"] = f"{trainer.__module__}.{trainer.__qualname__}"
    model_class = registry.get_model_class(config["model"]["name"])
    if "stock_class" in vars(model_class):  # one of our wrappers: a dotted path needs no registration to be found
        config["model"]["name"] = f"{model_class.__module__}.{model_class.__qualname__}"
    metrics = loss_and_metrics.all_metrics(config["outputs"], config["evaluation_metrics"])
    if not inference_only:
        config_check.check_metrics(metrics)
    config["evaluation_metrics"] = metrics
    config["task"] = {"relax_opt": {}, "write_pos": True, **(config["task"] or {})}
    config["model"] = scale_factors.inline_scale_file(config["model"], keep=not inference_only)
    config["optim"].setdefault("num_workers", 0)
    for name in SPLITS:  # an empty block of YAML is None, and fairchem would look up keys in it
        config[name] = {key: value for key, value in config[name].items() if value is not None}
    return config


def check_sources(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check the data of a config, and return the block of its training set; a source that does not exist is removed.

    Files of structures that are not LMDBs are converted here, before anything is built.

    Raises:
        UserError: a file cannot be read.
    """
    train: dict[str, Any] = config["dataset"]
    for name in (*SPLITS, "relax_dataset"):
        source = config[name].get("src")
        file_format = config[name].get("format", train.get("format", "lmdb"))
        if not isinstance(source, str) or "lmdb" not in file_format or file_format == "ase_lmdb":
            continue
        inherited = train if name != "dataset" and config[name].get("use_train_settings", True) else {}
        if name == "dataset" and not Path(source).exists():
            logging.warning(f"dataset.train.src {source} does not exist: this run can predict, but not train")
            train = {key: value for key, value in train.items() if key != "src"}
            continue
        found = Path(source) if file_format == OC22 else lmdb_of({**inherited, **config[name]}, NAMES[name])
        assert found is not None  # there is a source
        check_lmdb(found)
    return train
