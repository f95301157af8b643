"""Build a trainer that only predicts, from a checkpoint alone."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fairchem.core.common.utils import setup_imports, update_config

from ocp_dc.core.errors import UserError
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.fairchem1.checks.trust import trusting
from ocp_dc.fairchem1.host_patches.safe_loading import config_for_prediction
from ocp_dc.fairchem1.train.checkpoints import read_checkpoint
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.training.model_size import bounded_by_checkpoint


def load_trainer(checkpoint_path: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> DCTrainer:
    """Return a trainer that predicts with the weights of a checkpoint: the averaged weights if it has them.

    Args:
        checkpoint_path: a checkpoint of ocp_dc or fairchem; it is read as data.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name and thereby run.

    Raises:
        UserError: the file is missing, damaged or hostile.
    """
    with raised_log_level(logging.WARNING):  # the config was printed when the model was trained
        setup_imports()
        # both must also apply while the model is built, for it may start from another checkpoint
        with trusting(trust_modules), bounded_by_checkpoint(checkpoint_path):
            return _load_trainer(checkpoint_path, cpu)


def _load_trainer(checkpoint_path: str | Path, cpu: bool) -> DCTrainer:
    checkpoint = read_checkpoint(checkpoint_path, "cpu")
    with _config_errors(checkpoint_path):
        trainer = _build_trainer(checkpoint["config"], cpu)
    trainer.load_checkpoint(str(checkpoint_path), checkpoint, inference_only=True)
    return trainer


@contextlib.contextmanager
def _config_errors(checkpoint_path: str | Path) -> Iterator[None]:
    """Turn fairchem's errors about an invalid config in a checkpoint into UserErrors."""
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, AttributeError, AssertionError, RecursionError, ValueError, OverflowError) as error:
        raise UserError(
            f"checkpoint {checkpoint_path}: its config cannot be used ({type(error).__name__}: {error}); it is "
            "damaged, or was written by another program"
        ) from error


def _build_trainer(saved: dict[str, Any], cpu: bool) -> DCTrainer:
    config: dict[str, Any] = config_for_prediction(copy.deepcopy(saved))
    if "model_attributes" in config:  # the layout before fairchem 1.0
        config["model"] = {**config.pop("model_attributes"), "name": config["model"]}
    config = update_config(config)
    for part in (config["model"], config["model"].get("backbone")):  # in a hydra, the backbone makes the graph
        if part is not None:
            part["otf_graph"] = True  # the structures have no edges
    dataset = {key: value for key, value in (config.get("dataset") or {}).items() if key != "src"}
    return silent_trainer(config, dataset, cpu=cpu, seed=config["cmd"]["seed"], inference_only=True)


def silent_trainer(
    config: dict[str, Any], dataset: dict[str, Any], *, cpu: bool, seed: int | None, inference_only: bool
) -> DCTrainer:
    """Return a trainer that writes and logs nothing.

    Args:
        config: the blocks of a config; its ``dataset`` is not read.
        dataset: the block of the training set.
        cpu: use the CPU even if there is a GPU.
        seed: seed of the weights.
        inference_only: build no data sets, no loss and no optimizer.
    """
    return DCTrainer(
        task=config.get("task") or {},
        model=config["model"],
        outputs=config["outputs"],
        dataset=[dataset],
        optimizer=config["optim"],
        loss_functions=config["loss_functions"],
        evaluation_metrics=config.get("evaluation_metrics") or {},
        identifier="",
        local_rank=0,
        is_debug=True,
        cpu=cpu,
        seed=seed,
        inference_only=inference_only,
    )


def check_outputs(trainer: DCTrainer, needed: Sequence[str], checkpoint_path: str | Path) -> None:
    """Check that a checkpoint has the needed outputs, with one energy per structure and one force per atom.

    Raises:
        UserError: an output is missing, or has the wrong level.
    """
    outputs = trainer.config["outputs"]
    for name, level in (("energy", "system"), ("forces", "atom")):
        found = (outputs.get(name) or {}).get("level", level)
        if name in needed and name not in outputs:
            raise UserError(
                f"checkpoint {checkpoint_path}: predicts {', '.join(outputs) or 'nothing'}, but not {name}: its config "
                "has no such output"
            )
        if found != level:
            raise UserError(
                f"checkpoint {checkpoint_path}: its config has outputs.{name}.level: {found!r}, expected {level!r}; it "
                "is damaged"
            )
