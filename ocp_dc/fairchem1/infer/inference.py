"""A trainer for predictions alone, built from nothing but a checkpoint."""

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
from ocp_dc.fairchem1.checks.model_size import bounded_by_checkpoint
from ocp_dc.fairchem1.checks.trust import trusting
from ocp_dc.fairchem1.host_patches.safe_loading import for_calculator
from ocp_dc.fairchem1.train.checkpoints import read_checkpoint
from ocp_dc.fairchem1.trainer import DCTrainer


def load_trainer(checkpoint_path: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> DCTrainer:
    """Return a trainer that predicts with the weights of a checkpoint, ours or fairchem's, averaged where there are.

    Args:
        checkpoint_path: a checkpoint file; it is read as data.
        cpu: stay on the CPU where there is a GPU.
        trust_modules: modules beside fairchem's and ours whose code the checkpoint may name, and so run.

    Raises:
        UserError: the file is missing, damaged or hostile.
    """
    with raised_log_level(logging.WARNING):  # the config was printed when the model was trained
        setup_imports()
        # both hold while the model is built too, which may start from another checkpoint
        with trusting(trust_modules), bounded_by_checkpoint(checkpoint_path):
            return _load_trainer(checkpoint_path, cpu)


def _load_trainer(checkpoint_path: str | Path, cpu: bool) -> DCTrainer:
    checkpoint = read_checkpoint(checkpoint_path, "cpu")
    with _usable(checkpoint_path):
        trainer = _trainer_of(checkpoint["config"], cpu)
    trainer.load_checkpoint(str(checkpoint_path), checkpoint, inference_only=True)
    return trainer


@contextlib.contextmanager
def _usable(checkpoint_path: str | Path) -> Iterator[None]:
    """Turn what fairchem raises about a config that no training saved into an error for the user."""
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, AttributeError, AssertionError, RecursionError, ValueError, OverflowError) as error:
        raise UserError(
            f"checkpoint {checkpoint_path}: its config cannot be used ({type(error).__name__}: {error}); it is "
            "damaged, or another program's"
        ) from error


def _trainer_of(saved: dict[str, Any], cpu: bool) -> DCTrainer:
    config: dict[str, Any] = for_calculator(copy.deepcopy(saved))
    if "model_attributes" in config:  # before fairchem 1.0 the arguments stood beside the name
        config["model"] = {**config.pop("model_attributes"), "name": config["model"]}
    config = update_config(config)
    for part in (config["model"], config["model"].get("backbone")):  # of a hydra the backbone makes the graph
        if part is not None:
            part["otf_graph"] = True  # structures come without edges
    dataset = {key: value for key, value in (config.get("dataset") or {}).items() if key != "src"}
    return silent_trainer(config, dataset, cpu=cpu, seed=config["cmd"]["seed"], inference_only=True)


def silent_trainer(
    config: dict[str, Any], dataset: dict[str, Any], *, cpu: bool, seed: int | None, inference_only: bool
) -> DCTrainer:
    """Return a trainer that writes and logs nothing.

    Args:
        config: the blocks of a config; its own ``dataset`` is not read.
        dataset: the training set's block.
        cpu: stay on the CPU where there is a GPU.
        seed: seed of the weights.
        inference_only: without data sets, loss and optimizer.
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
    """Check that a checkpoint's config asks for outputs, energies as one number a structure, and forces by the atom.

    Raises:
        UserError: one is missing, or of another level.
    """
    outputs = trainer.config["outputs"]
    for name, level in (("energy", "system"), ("forces", "atom")):
        found = (outputs.get(name) or {}).get("level", level)
        if name in needed and name not in outputs:
            raise UserError(
                f"checkpoint {checkpoint_path}: predicts {', '.join(outputs) or 'nothing'}, and no {name}: its config "
                "has no such output"
            )
        if found != level:
            raise UserError(
                f"checkpoint {checkpoint_path}: its config has outputs.{name}.level: {found!r}, expected {level!r}; it "
                "is damaged"
            )
