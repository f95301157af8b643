"""Scale factors of GemNet-dT, GemNet-OC and PaiNN: list them, and read and apply their files."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from ocp_dc.core.digests import DIGEST, content_digest
from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.files import read_json
from ocp_dc.models.gemnet_layers import ScaleFactor

COMMAND = "`ocp-dc fit-scales CONFIG --out FILE.json`"
COMMENT = "comment"  # the only entry of a scale file that is not a factor


def scale_factors(model: nn.Module) -> dict[str, ScaleFactor]:
    """Return the scale factors of a model by their names in scale files, in the order of its modules."""
    return {part.name or path: part for path, part in model.named_modules() if isinstance(part, ScaleFactor)}


def read_scale_file(source: str | Mapping[str, float]) -> dict[str, float]:
    """Return the factors in a JSON file by name; a mapping is checked and returned.

    Raises:
        UserError: the file is missing or is not a scale file.
    """
    if not isinstance(source, str):
        return check_factors(source, "given in the config")
    content = read_json(source, f"{COMMAND} writes one")
    check_digest(content, source)
    return check_factors(content, source)


def check_factors(found: Mapping[str, Any], source: Any) -> dict[str, float]:
    """Return the factors of a scale file without its comment.

    Args:
        found: the content of the file.
        source: the file, for messages.

    Raises:
        UserError: a factor is not a finite number above 0.
    """
    factors = {str(name): value for name, value in found.items() if name != COMMENT}
    for name, value in factors.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value <= 0:
            raise UserError(
                f"model.scale_file {source}: {name}: got {value}, expected a finite number above 0; {COMMAND} writes a "
                "file"
            )
    return {name: float(value) for name, value in factors.items()}


def check_digest(content: Mapping[str, Any], source: Any) -> Any:
    """Return the comment of a scale file, if any, after a check of the digest of the factors that it may hold.

    Raises:
        UserError: the factors are not those of the digest.
    """
    comment = content.get(COMMENT)
    factors = {name: value for name, value in content.items() if name != COMMENT}
    if isinstance(comment, dict) and comment.get(DIGEST, content_digest(factors)) != content_digest(factors):
        raise UserError(
            f"model.scale_file {source}: the factors do not match its {DIGEST}: the file was damaged or edited; "
            f"fit again with {COMMAND}, or, if you edited it on purpose, remove {COMMENT}.{DIGEST}"
        )
    return comment


def check_complete(present: Iterable[str], factors: Mapping[str, float], model: str) -> None:
    """Refuse a scale file that lacks factors of a model, and warn about those that the model does not have.

    Args:
        present: the names of the model's factors.
        factors: those of the file.
        model: the name of the model, for messages.

    Raises:
        UserError: factors are missing.
    """
    names = set(present)
    if missing := sorted(names - set(factors)):
        raise UserError(
            f"model.scale_file: lacks {', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''} of the "
            f"{len(names)} scale factors of {model}.{nearest(missing[0], factors)} Fit them for this "
            f"model with {COMMAND}"
        )
    if surplus := sorted(set(factors) - names):
        logging.warning(f"model.scale_file: {model} has no {', '.join(surplus)}; was it fitted for another model?")


def set_scale_factors(model: nn.Module, factors: Mapping[str, float]) -> None:
    """Set the scale factors of a native model; those that it does not have are ignored with a warning.

    Raises:
        UserError: some factors of the model are missing.
    """
    present = scale_factors(model)
    check_complete(present, factors, type(model).__name__)
    for name, factor in present.items():
        factor.scale_factor.data.fill_(factors[name])
