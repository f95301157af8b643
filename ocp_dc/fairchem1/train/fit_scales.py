"""``ocp-dc fit-scales``: fit the scale factors of a GemNet after surgery, on a few batches, without a prompt.

A scale factor multiplies its input by a constant. The constant is chosen so that the variance of the result over a
fitting set equals that of a reference: the input of the layer if the model names one, else 1. The factors are fitted
one by one in the order in which data reach them, because each changes the input of the next (arXiv 2106.08903,
section 6). fairchem's modules/scaling/fit.py does this interactively.
"""

from __future__ import annotations

import copy
import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from fairchem.core.modules.scaling import ScaleFactor
from torch import nn
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.fairchem1 import main as run_main
from ocp_dc.fairchem1.infer.inference import silent_trainer
from ocp_dc.fairchem1.train import scale_factors
from ocp_dc.fairchem1.train.model_boundaries import adapt_boundaries
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.surgery import batch_statistics, fitting_gains
from ocp_dc.training.scale_fit import FittedFactor, check_output, fitted_factor, write_scale_file
from ocp_dc.training.subnormals import flushed_subnormals


def fit_config(
    config_path: str,
    out: Path,
    overrides: Sequence[str] = (),
    *,
    recipes: Sequence[str] = (),
    batches: int = 16,
    cpu: bool = False,
) -> list[FittedFactor]:
    """Fit the factors of a config's model on its training set, and write a file for ``model.scale_file``.

    The weights are those from which a training run with the same seed starts. Labels are not used.

    Args:
        config_path: the YAML file, or the name of one that ships.
        out: the JSON file to write.
        overrides: changes such as ``--dataset.train.src=data/ethanol/train`` or ``--seed=1``.
        recipes: such as ``dc/gemnet_t``; applied before the overrides.
        batches: the number of batches of ``optim.batch_size`` structures to fit on.
        cpu: use the CPU even if there is a GPU.

    Raises:
        UserError: the config has an error, the file exists, there is no training set, the model has no scale factors,
            or a factor cannot be fitted.
    """
    check_output(out, batches)
    config = run_main.resolve_training(config_path, overrides, recipes)
    run_main.check_source(config, "train", "fit-scales")
    trainer = make_trainer(config, cpu=cpu)
    fitted = fit(trainer.model, [b.to(trainer.device) for b in itertools.islice(trainer.train_loader, batches)])
    comment = {"model": config["model"]["name"], "dc": config["model"].get("dc"), "batches": batches}
    write_scale_file(out, fitted, comment)
    return fitted


def fit(model: nn.Module, batches: Sequence[Any]) -> list[FittedFactor]:
    """Fit every scale factor of ``model`` in place, including factors that are already fitted.

    Args:
        model: the model; only its energies are computed, because forces use the same factors.
        batches: the batches to fit on, on the device of the model.

    Returns:
        The factors in the order in which data reach them.

    Raises:
        UserError: the model has no scale factors.
        UnfittableError: the features before a factor have no finite, positive variance.
    """
    if not scale_factors.scale_factors(model):
        raise UserError(
            f"{type(model).__name__} has no scale factors and needs no fit; only models of the GemNet family have them"
        )
    batches = [adapt_boundaries(model, batch) for batch in batches]
    model.eval()
    scale_factors.reset(model)
    stock: Any = model  # fairchem's models are untyped
    regress_forces, stock.regress_forces = stock.regress_forces, False
    try:
        # gains adapt during the fit, as the norms that they replace would
        with flushed_subnormals(), batch_statistics(model), fitting_gains(model):
            order = _order(model, batches[0])
            bar = tqdm(order, desc="fitting scale factors", unit="factor", disable=None)
            return [_fit_one(name, factor, model, batches) for name, factor in bar]
    finally:
        stock.regress_forces = regress_forces


def make_trainer(config: dict[str, Any], cpu: bool) -> DCTrainer:
    """Return a trainer that has only a model and a training set, and writes no files."""
    train = {key: value for key, value in config["dataset"]["train"].items() if key != "transforms"}
    model = {key: value for key, value in config["model"].items() if key != "scale_file"}
    blocks = {**config, "model": model}
    with raised_log_level(logging.ERROR):  # fairchem prints the whole config and warns about every loader
        return silent_trainer(blocks, copy.deepcopy(train), cpu=cpu, seed=config["seed"], inference_only=False)


def _order(model: nn.Module, batch: Any) -> list[tuple[str, ScaleFactor]]:
    """Return the factors in the order in which a forward pass reaches them."""
    factors = scale_factors.scale_factors(model)
    reached: dict[str, None] = {}
    for name, factor in factors.items():
        factor.initialize_(index_fn=lambda name=name: reached.setdefault(name))
    _observe(model, [batch])
    for factor in factors.values():
        factor.initialize_(index_fn=None)
    if missing := sorted(set(factors) - set(reached)):
        raise UserError(f"scale factors {', '.join(missing)}: no data reach them, so they cannot be fitted")
    return [(name, factors[name]) for name in reached]


def _fit_one(name: str, factor: ScaleFactor, model: nn.Module, batches: Sequence[Any]) -> FittedFactor:
    with factor.fit_context_():
        _observe(model, batches)
        assert factor.stats is not None  # within its fit_context_
        variance = factor.stats["variance_out"] / factor.stats["n_samples"]
        reference = factor.stats["variance_in"] / factor.stats["n_samples"]
        fitted = fitted_factor(name, variance, reference)
        factor.set_(fitted.value)
    return fitted


@torch.no_grad()
def _observe(model: nn.Module, batches: Iterable[Any]) -> None:
    for batch in batches:
        model(batch)
