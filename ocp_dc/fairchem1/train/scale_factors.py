"""Scale factors of the GemNet family: list them, check that they are fitted, and read and apply their files."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from typing import Any

from fairchem.core.modules.scaling import ScaleFactor
from fairchem.core.modules.scaling.compat import _load_scale_dict, load_scales_compat
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json
from ocp_dc.fairchem1.checks.model_check import read_dc
from ocp_dc.models.scale_factors import COMMAND, check_complete, check_digest, check_factors
from ocp_dc.surgery import DCOptions, canonical_dc

_warned: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def scale_factors(model: nn.Module) -> dict[str, ScaleFactor]:
    """Return the scale factors of a model by their names in scale files, in the order of its modules."""
    return {part.name or path: part for path, part in model.named_modules() if isinstance(part, ScaleFactor)}


def ensure_fitted(model: nn.Module, warn: bool = False) -> None:
    """Check that all scale factors are fitted; replaces fairchem's function of this name, with a clearer message.

    Args:
        model: any model.
        warn: log a warning, once per model, instead of raising.

    Raises:
        UserError: scale factors are not fitted, and ``warn`` is False.
    """
    missing = [name for name, factor in scale_factors(model).items() if not factor.fitted]
    if not missing:
        return
    message = (
        f"{len(missing)} scale factors of the model are not fitted ({missing[0]}, ...), so its features grow or "
        f"shrink from block to block; before training, fit them with {COMMAND} and pass them as "
        "--model.scale_file=FILE.json. They depend on the activations before them, and so on the dc: block"
    )
    if not warn:
        raise UserError(f"{message}. A model that was trained without them must be trained again")
    if model not in _warned:
        _warned.add(model)
        logging.warning(message)


def read_scale_file(block: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the factors of the ``scale_file`` of a ``model`` block, or None if it has none.

    Args:
        block: the block; ``scale_file`` is a JSON or .pt file, or the factors themselves. A warning is logged if a
            JSON file was fitted for another ``dc:`` block.

    Raises:
        UserError: the file is missing or is not a scale file.
    """
    source = block.get("scale_file")
    if not source:
        return None
    try:
        found = _load_scale_dict(source) or {}
    except Exception as error:  # json and torch raise different errors for files of other content
        raise UserError(f"model.scale_file {source}: {error}; {COMMAND} writes one") from error
    if not isinstance(found, Mapping):
        raise UserError(
            f"model.scale_file {source}: got {type(found).__name__}, expected factors; {COMMAND} writes one"
        )
    factors = check_factors(found, source)
    if isinstance(source, str) and source.endswith(".json"):
        comment = check_digest(read_json(source, f"{COMMAND} writes one"), source)
        fitted_for = comment.get("dc") if isinstance(comment, dict) else block.get("dc")
        if "name" in block and _settings_before_output(read_dc({**block, "dc": fitted_for})) != _settings_before_output(
            read_dc(block)
        ):
            logging.warning(
                f"model.scale_file {source} was fitted for dc: {fitted_for}, but this model has dc: {block.get('dc')}; "
                f"fit again with {COMMAND}"
            )
    return factors


def inline_scale_file(block: Mapping[str, Any], keep: bool) -> dict[str, Any]:
    """Return a ``model`` block with the factors instead of their file, so that checkpoints do not depend on the file.

    Args:
        block: the block; it may come from a checkpoint.
        keep: False to drop the file, if the factors come with the weights of a checkpoint.
    """
    factors = read_scale_file(block) if keep else None
    others = {key: value for key, value in block.items() if key != "scale_file"}
    return others if factors is None else {**others, "scale_file": factors}


def set_scale_factors(model: nn.Module, factors: Mapping[str, float]) -> None:
    """Set the scale factors of a model; factors that the model does not have are ignored with a warning.

    Raises:
        UserError: some factors of the model are missing.
    """
    present = scale_factors(model)
    check_complete(present, factors, type(model).__name__)
    for name, factor in present.items():
        factor.reset_()
        factor.set_(factors[name])


def load_scales(module: nn.Module, scale_file: str | dict[str, float] | None) -> None:
    """Load factors into a model under construction, as fairchem does but with a clear message.

    Raises:
        UserError: the file is missing or is not a scale file, or some factors of the model are missing.
    """
    try:
        load_scales_compat(module, scale_file)
    except ValueError:
        check_complete(scale_factors(module), read_scale_file({"scale_file": scale_file}) or {}, type(module).__name__)
        raise


def use_load_scales(model_module: Any) -> None:
    """Make a module of fairchem with a model use :func:`load_scales`."""
    model_module.load_scales_compat = load_scales


def _settings_before_output(options: DCOptions) -> tuple[Any, ...]:
    """Return the settings of a ``dc:`` block that act before the last scale factor (before the output blocks)."""
    last = ("none", "output", "paper")
    only_output = options.is_noop or options.resolved_region in last
    if options.insert_norm != "none" and options.resolved_insert_region not in last:  # dropout is off during the fit
        only_output = False
    if only_output:
        return str(options.elsewhere), options.denormalize, options.norm_gain
    return canonical_dc(options, with_extras=False)


def reset(model: nn.Module) -> None:
    """Reset the factors, so that a checkpoint's factors can be loaded; fairchem rejects values that differ."""
    for factor in scale_factors(model).values():
        factor.reset_()
