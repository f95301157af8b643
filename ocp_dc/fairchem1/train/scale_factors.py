"""Scale factors of the GemNet family: which a model has, whether they are fitted, and the files that hold them."""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Mapping
from typing import Any

from fairchem.core.modules.scaling import ScaleFactor
from fairchem.core.modules.scaling.compat import _load_scale_dict, load_scales_compat
from torch import nn

from ocp_dc.core.digests import DIGEST, content_digest
from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.files import read_json
from ocp_dc.fairchem1.checks.model_check import canonical_dc, read_dc
from ocp_dc.surgery import DCOptions

COMMAND = "`ocp-dc fit-scales CONFIG --out FILE.json`"
COMMENT = "comment"  # the one entry of a scale file that fairchem does not take for a factor
_warned: weakref.WeakSet[nn.Module] = weakref.WeakSet()


def scale_factors(model: nn.Module) -> dict[str, ScaleFactor]:
    """Return the scale factors of a model under the names that scale files use, in the order of the model."""
    return {part.name or path: part for path, part in model.named_modules() if isinstance(part, ScaleFactor)}


def ensure_fitted(model: nn.Module, warn: bool = False) -> None:
    """Stand in for fairchem's function of this name: one message that says what to do, once a model.

    Args:
        model: any model.
        warn: log a warning instead of raising.

    Raises:
        UserError: scale factors are not fitted, and ``warn`` is False.
    """
    missing = [name for name, factor in scale_factors(model).items() if not factor.fitted]
    if not missing:
        return
    message = (
        f"{len(missing)} scale factors of the model are not fitted ({missing[0]}, ...), and its features grow or "
        f"shrink from block to block; before a training fit them with {COMMAND} and give them as "
        "--model.scale_file=FILE.json. They depend on the activations before them, and so on the dc: block"
    )
    if not warn:
        raise UserError(f"{message}. A checkpoint that was trained without them needs a new training")
    if model not in _warned:
        _warned.add(model)
        logging.warning(message)


def read_scale_file(block: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the factors that a ``model`` block names, or None.

    Args:
        block: the block; ``scale_file`` is a JSON or .pt file, or the factors themselves. Where a JSON file says for
            which ``dc:`` block it was fitted, another one is warned about.

    Raises:
        UserError: the file is missing or is no scale file.
    """
    source = block.get("scale_file")
    if not source:
        return None
    try:
        found = _load_scale_dict(source)
        factors = {str(name): float(value) for name, value in (found or {}).items() if name != COMMENT}
    except Exception as error:  # a file of any content: what json and torch raise is not one kind
        raise UserError(f"model.scale_file {source}: {error}; {COMMAND} writes one") from error
    for name, value in factors.items():
        if isinstance(found[name], bool) or not math.isfinite(value) or value <= 0:
            raise UserError(f"model.scale_file {source}: {name}: got {found[name]}, expected a finite number above 0")
    if isinstance(source, str) and source.endswith(".json"):
        content = read_json(source, f"{COMMAND} writes one")
        comment = content.pop(COMMENT, None)
        if isinstance(comment, dict) and comment.get(DIGEST, content_digest(content)) != content_digest(content):
            raise UserError(
                f"model.scale_file {source}: the factors do not fit its {DIGEST}: the file was damaged or edited; fit "
                f"again with {COMMAND}, or, where you edited it on purpose, remove {COMMENT}.{DIGEST}"
            )
        fitted_for = comment.get("dc") if isinstance(comment, dict) else block.get("dc")
        if "name" in block and _inner(read_dc({**block, "dc": fitted_for})) != _inner(read_dc(block)):
            logging.warning(
                f"model.scale_file {source} was fitted for dc: {fitted_for}, and this model has dc: {block.get('dc')}; "
                f"fit again with {COMMAND}"
            )
    return factors


def resolve(block: Mapping[str, Any], keep: bool) -> dict[str, Any]:
    """Return a ``model`` block with the factors in place of their file, so that no checkpoint depends on a file.

    Args:
        block: the block; it may come from a checkpoint.
        keep: False where the factors come with a checkpoint's weights, and a file may be far away.
    """
    factors = read_scale_file(block) if keep else None
    others = {key: value for key, value in block.items() if key != "scale_file"}
    return others if factors is None else {**others, "scale_file": factors}


def set_scale_factors(model: nn.Module, factors: Mapping[str, float]) -> None:
    """Put fitted factors into a model; those of parts that it does not have are left out with a warning.

    Raises:
        UserError: some of the model's factors are not there.
    """
    _check_complete(model, factors)
    own = scale_factors(model)
    if surplus := sorted(set(factors) - set(own)):
        logging.warning(f"model.scale_file: {type(model).__name__} has no {', '.join(surplus)}; was it fitted for it?")
    for name, factor in own.items():
        factor.reset_()
        factor.set_(factors[name])


def _check_complete(model: nn.Module, factors: Mapping[str, float]) -> None:
    own = scale_factors(model)
    if missing := sorted(set(own) - set(factors)):
        raise UserError(
            f"model.scale_file: lacks {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''} of the {len(own)} "
            f"scale factors of {type(model).__name__}.{nearest(missing[0], factors)} Fit them for it with {COMMAND}"
        )


def load_scales(module: nn.Module, scale_file: str | dict[str, float] | None) -> None:
    """Load factors into a model under construction as fairchem does, with a message where they do not fit.

    Raises:
        UserError: the file is missing or is no scale file, or some of the model's factors are not there.
    """
    try:
        load_scales_compat(module, scale_file)
    except ValueError:
        _check_complete(module, read_scale_file({"scale_file": scale_file}) or {})
        raise


def _inner(options: DCOptions) -> tuple[Any, ...]:
    """Return what a ``dc:`` block asks for before the output blocks, after which no factor comes."""
    last = ("none", "output", "paper")
    only_output = options.is_noop or options.resolved_region in last
    if options.insert_norm != "none" and options.resolved_insert_region not in last:  # dropout rests during the fit
        only_output = False
    if only_output:
        return str(options.elsewhere), options.denormalize, options.norm_gain
    return canonical_dc(options, with_extras=False)


def reset(model: nn.Module) -> None:
    """Forget fitted factors, so that a checkpoint's own may come: fairchem refuses any that differ."""
    for factor in scale_factors(model).values():
        factor.reset_()
