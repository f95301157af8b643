"""Fit the scale factors of a native potential on a few batches.

A scale factor multiplies its input by a constant. The constant is chosen so that the variance of the result over a
fitting set equals that of a reference: the input of the layer if the model names one, else 1. The factors are fitted
one by one in the order in which data reach them, because each changes the input of the next (arXiv 2106.08903,
section 6).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ocp_dc.core.digests import DIGEST, content_digest
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import is_cut_off, write_json
from ocp_dc.core.numbers import whole_number
from ocp_dc.models.potential import Potential
from ocp_dc.models.scale_factors import COMMENT, scale_factors
from ocp_dc.models.scale_observer import Weights, observed
from ocp_dc.surgery import batch_statistics, fitting_gains
from ocp_dc.training.plain import as_plain_data
from ocp_dc.training.subnormals import flushed_subnormals

Batch = tuple[Tensor, Tensor, Any]  # numbers [N], positions [N, 3], graph


class UnfittableError(UserError):
    """Error for features without a finite, positive variance: they vanish or overflow before a scale factor."""


@dataclasses.dataclass(frozen=True)
class FittedFactor:
    """A fitted factor: its name and value, and the variances before it (squared features, mean over channels)."""

    name: str
    value: float
    variance: float
    reference: float


def fitted_factor(name: str, variance: float, reference: float) -> FittedFactor:
    """Return the factor that gives features the variance of their reference.

    Raises:
        UnfittableError: a variance is not finite and positive.
    """
    if not all(math.isfinite(value) and value > 0 for value in (variance, reference)):
        raise UnfittableError(
            f"scale factor {name}: the features there have variance {variance:g} and their reference {reference:g};"
            " with these activations they vanish or overflow before it; use a smaller region or another "
            "coefficient"
        )
    return FittedFactor(name, math.sqrt(reference / variance), variance, reference)


def fit_scale_factors(potential: Potential[Any], batches: Sequence[Batch]) -> list[FittedFactor]:
    """Fit every scale factor of a potential in place, including factors that are already fitted.

    Args:
        potential: the potential; only its energies are computed, because forces use the same factors.
        batches: numbers, positions and graph of each batch, on the device of the potential.

    Returns:
        The factors in the order in which data reach them.

    Raises:
        UserError: the potential has no scale factors, or no data reach some of them.
        UnfittableError: the features before a factor have no finite, positive variance.
    """
    check_has_factors(potential)
    factors = {factor: name for name, factor in scale_factors(potential).items()}
    potential.eval()
    for factor in factors:
        factor.scale_factor.data.zero_()
    # gains adapt during the fit, as the norms that they replace would
    with torch.no_grad(), flushed_subnormals(), batch_statistics(potential), fitting_gains(potential):
        order: dict[Any, None] = {}
        with observed(lambda factor, *_: order.setdefault(factor)):
            potential.energy(*batches[0], first_order=True)
        if missing := sorted(name for factor, name in factors.items() if factor not in order):
            raise UserError(
                f"scale factors {', '.join(missing)}: no data reach them, or they are those of scale_basis: true, "
                "which are fitted with fairchem 1.10 only"
            )
        bar = tqdm(order, desc="fitting scale factors", unit="factor", disable=None)
        return [_fit_one(factors[factor], factor, potential, batches) for factor in bar]


def factor_table(fitted: Sequence[FittedFactor]) -> str:
    """Return a table, as text, of the factors and the variances that they match."""
    width = max(len(each.name) for each in fitted)
    rows = [f"{each.name:{width}}  {each.value:8.4f}  {each.variance:9.3e}  {each.reference:9.3e}" for each in fitted]
    return "\n".join([f"{'scale factor':{width}}  {'value':>8}  {'variance':>9}  {'reference':>9}", *rows])


def check_has_factors(potential: Potential[Any]) -> None:
    """Refuse a potential without scale factors; raises UserError."""
    if not scale_factors(potential):
        raise UserError(
            f"{type(potential).__name__} has no scale factors and needs no fit; GemNet-dT, GemNet-OC and PaiNN have "
            "them"
        )


def check_output(out: Path, batches: int) -> None:
    """Check the file to write and the number of batches, before anything is computed.

    Raises:
        UserError: the name does not end in .json, the file exists, or the number is not positive.
    """
    if out.suffix != ".json":
        raise UserError(f"--out {out}: expected a name that ends in .json, for model.scale_file")
    if out.exists() and not is_cut_off(out):
        raise UserError(f"--out {out} exists; name another file, or remove it")
    whole_number("--batches", batches)


def write_scale_file(out: Path, fitted: Sequence[FittedFactor], comment: Mapping[str, Any]) -> None:
    """Write factors to a scale file.

    Args:
        out: the JSON file.
        fitted: the factors.
        comment: what they were fitted for.
    """
    factors = {each.name: each.value for each in fitted}
    write_json(out, {COMMENT: {**as_plain_data(comment), DIGEST: content_digest(factors)}, **factors})


def _fit_one(name: str, factor: Any, potential: Potential[Any], batches: Sequence[Batch]) -> FittedFactor:
    sums = [0.0, 0.0, 0.0]  # of the variances of features and reference, each times the rows; of the rows

    def add(found: Any, features: Tensor, reference: Tensor | None, weights: Weights | None) -> None:
        if found is not factor:
            return
        rows = len(features)
        sums[0] += rows * _variance(features, None)
        sums[1] += rows * (1.0 if reference is None else _variance(reference, weights))
        sums[2] += rows

    with observed(add):
        for batch in batches:
            potential.energy(*batch, first_order=True)
    fitted = fitted_factor(name, sums[0] / sums[2], sums[1] / sums[2])
    factor.scale_factor.data.fill_(fitted.value)
    return fitted


def _variance(features: Tensor, weights: Weights | None) -> float:
    """Return the unbiased variance of features [..., F] over rows that count several times, as a mean over F."""
    rows = features.flatten(0, -2)  # [M, F]
    if weights is None:
        return float(rows.var(0).mean())
    counts = weights().flatten()[:, None].to(rows.dtype)  # [M, 1]
    total = counts.sum()
    mean = (counts * rows).sum(0) / total
    return float(((counts * (rows - mean).square()).sum(0) / (total - 1)).mean())
