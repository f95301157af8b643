"""``ocp-dc fit-scales`` with fairchem 2: fit the scale factors of a native backbone after surgery, on a few batches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import torch
from omegaconf import OmegaConf

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.native import native_backbone
from ocp_dc.fairchem2.compose import compose, config_errors, find_fairchem2_config, hydra_overrides, without_fits
from ocp_dc.training.scale_fit import FittedFactor, check_has_factors, check_output, fit_scale_factors, write_scale_file

UNIT, LOADER = "runner.train_eval_unit", "runner.train_dataloader"


def fit_config(
    config: str, out: Path, overrides: Sequence[str] = (), *, batches: int = 16, cpu: bool = False
) -> list[FittedFactor]:
    """Fit the factors of a config's model on its training set, and write a file for ``model.backbone.scale_file``.

    The weights are drawn from the config's seed. Labels are not used.

    Args:
        config: the YAML file, or the name of a config that ships.
        out: the JSON file to write.
        overrides: changes such as ``data_dir=data/ethanol`` or ``seed=1``.
        batches: the number of batches of the training loader to fit on.
        cpu: use the CPU even if there is a GPU.

    Returns:
        The factors in the order in which data reach them.

    Raises:
        UserError: the config has an error, the file exists, the model has no native backbone or no scale factors, or a
            factor cannot be fitted.
    """
    check_output(out, batches)
    path = find_fairchem2_config(config)
    composed = compose(path, hydra_overrides(overrides))
    device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    with config_errors(path), without_fits():
        OmegaConf.resolve(composed)
        block: Any = OmegaConf.select(composed, f"{UNIT}.model")
        if block is None or OmegaConf.select(composed, LOADER) is None:
            raise UserError(f"{path}: expected a config for training, with {UNIT}.model and {LOADER}")
        if OmegaConf.select(block, "backbone.scale_file") is not None:
            block.backbone.scale_file = None
        torch.manual_seed(OmegaConf.select(composed, "job.seed", default=0))
        backbone = native_backbone(hydra.utils.instantiate(block))
        if backbone is None:
            raise UserError(f"{path}: the model has no native backbone, and so no scale factors and no need of a fit")
        check_has_factors(backbone.potential)
        backbone = backbone.to(device)
        loader = hydra.utils.instantiate(OmegaConf.select(composed, LOADER))
        inputs = [backbone.inputs_of(batch.to(device)) for batch in itertools.islice(loader, batches)]
    fitted = fit_scale_factors(backbone.potential, inputs)
    dc = OmegaConf.to_container(block.dc) if block.get("dc") is not None else None
    write_scale_file(out, fitted, {"model": block.backbone.model, "dc": dc, "batches": batches})
    return fitted
