"""``ocp-dc inspect``: build the model of a config and describe what surgery would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.compose import (
    compose,
    config_errors,
    find_fairchem2_config,
    hydra_overrides,
    refuse_recipes,
    without_fits,
)


def inspect_config(config: str, overrides: Sequence[str] = (), recipes: Sequence[str] = ()) -> str:
    """Return a description of the model that a config builds, without training or reading data.

    Args:
        config: the YAML file, or the name of a config that ships.
        overrides: changes such as ``model.dc.region=full``.
        recipes: must be empty; recipes are changes of configs of fairchem 1.10.

    Raises:
        UserError: the config is not valid, or surgery cannot apply its ``dc:`` block.
    """
    refuse_recipes(recipes)
    path = find_fairchem2_config(config)
    composed = compose(path, hydra_overrides(overrides))
    with config_errors(path), without_fits() as fits:
        OmegaConf.resolve(composed)
        model = build_model(composed)
    report = getattr(model, "dc_report", None)
    conservative = getattr(model, "conservative", None)
    descriptions = {True: "forces are -dE/dx", False: "forces are not the gradient of the energy", None: "unknown"}
    size = sum(parameter.numel() for parameter in model.parameters())
    return "\n".join(
        [
            f"model: {model_name(composed)}, {size:,} parameters",
            f"conservative: {descriptions[conservative]}",
            f"label rescaling: {_fits_in_words(fits)}",
            "surgery: none, this is the stock model" if report is None else str(report),
            *getattr(model, "dc_notes", ()),
        ]
    )


def build_model(config: DictConfig) -> nn.Module:
    """Return the model of a resolved config."""
    block = OmegaConf.select(config, "runner.train_eval_unit.model")
    if block is None:
        raise UserError("the config has no runner.train_eval_unit.model; expected a config for training")
    model: nn.Module = hydra.utils.instantiate(block)
    return model


def model_name(config: DictConfig) -> str:
    """Return the name of the class of the backbone, or of the model without one."""
    block: Any = OmegaConf.to_container(OmegaConf.select(config, "runner.train_eval_unit.model"))
    backbone = block.get("backbone")
    name = backbone.get("model") if isinstance(backbone, Mapping) else block.get("_target_")
    return str(name).rpartition(".")[2]


def _fits_in_words(fits: Sequence[Mapping[str, Any]]) -> str:
    if not fits:
        return "as the normalizers of the tasks say"
    return ", ".join(f"{key}: {value}" for key, value in fits[0].items())
