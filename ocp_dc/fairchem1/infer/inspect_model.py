"""``ocp-dc inspect``: build the model of a config and describe what surgery would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocp_dc.fairchem1 import main as run_main
from ocp_dc.fairchem1.checks.config_check import check_model
from ocp_dc.fairchem1.checks.model_arguments import constructor_errors
from ocp_dc.fairchem1.checks.model_check import GRADIENT_CHOICES
from ocp_dc.fairchem1.train.scale_factors import read_scale_file, set_scale_factors
from ocp_dc.fairchem1.wrappers.dc_model import surgery_report
from ocp_dc.labels import LabelOptions
from ocp_dc.training import stability


def inspect_config(config_path: str, overrides: Sequence[str] = (), recipes: Sequence[str] = ()) -> str:
    """Return a description of the model that a config builds, without training or reading data.

    Args:
        config_path: the YAML file, or the name of a config that ships.
        overrides: changes such as ``--model.dc.region=full``.
        recipes: such as ``dc/schnet``; applied before the overrides.

    Raises:
        UserError: the config is not valid, or surgery cannot apply its ``dc:`` block.
    """
    config = run_main.resolve_training(config_path, overrides, recipes)
    model = build_model(config["model"])
    report = surgery_report(model)
    conservative = getattr(model, "conservative", None)
    descriptions = {True: "forces are -dE/dx", False: "forces are not the gradient of the energy", None: "unknown"}
    chosen = [f"{key.replace('_', ' ')}: {getattr(model, key)}" for key in GRADIENT_CHOICES if hasattr(model, key)]
    stock = all(getattr(model, key, "stock") == "stock" for key in GRADIENT_CHOICES)  # also in its gradients
    block = (config["dataset"]["train"].get("transforms") or {}).get("label_rescaling")
    unstable = stability.stability_warning(model, None if block is None else LabelOptions.from_block(block))
    return "\n".join(
        [
            f"model: {config['model']['name']}, {sum(p.numel() for p in model.parameters()):,} parameters",
            f"conservative: {descriptions[conservative]}",
            *chosen,
            f"label rescaling: {'none' if block is None else ', '.join(f'{k}: {v}' for k, v in block.items())}",
            *([] if unstable is None else [f"warning: {unstable}"]),
            f"surgery: none{', this is the stock model' * stock}" if report is None else str(report),
        ]
    )


def build_model(block: dict[str, Any]) -> Any:
    """Return the model of a ``model`` block."""
    factors = read_scale_file(block)
    arguments = {key: value for key, value in block.items() if key not in ("name", "scale_file")}
    model_class = check_model(block)
    with constructor_errors(block):
        model = model_class(**arguments)
    if factors is not None:
        set_scale_factors(model, factors)
    return model
