"""Other learning rates for some parameters of a model, by their names."""

from __future__ import annotations

import difflib
import heapq
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import Number
from ocp_dc.training.trainable import compile_pattern

FACTOR = Number(0, 1e6, above=True, nullable=False)
RATES = ("max_lr", "base_lr", "min_lr")  # arguments of schedules: a rate, or a list with one for each group
NEAREST = 3  # names that a message proposes


def check_factors(optim: Mapping[str, Any]) -> None:
    """Check ``optim.lr_factors`` as far as that is possible without the model.

    Raises:
        UserError: an expression or a factor is not valid, or a rate of the schedule is a list.
    """
    factors = optim.get("lr_factors") or {}
    for text, factor in factors.items():
        compile_pattern(text, "optim.lr_factors")
        FACTOR.check(factor, f"optim.lr_factors.{text}")
    for key in RATES if factors else ():
        if isinstance(optim.get(key), list):
            raise UserError(
                f"optim.{key}: got a list together with lr_factors, which make groups of parameters; expected one "
                "number, which the factor of each group multiplies"
            )


def split_groups(optimizer: Optimizer, model: nn.Module, factors: Mapping[str, float]) -> None:
    """Divide the groups of a new optimizer by the factors of their parameters, and multiply their rates.

    The parameters without a factor come first, so that their rate is that of the first group where there are any.

    Args:
        optimizer: the optimizer; the groups keep their other settings, such as the weight decay.
        model: the model, without DistributedDataParallel.
        factors: the factor for each regular expression, which :func:`re.search` looks for in names of parameters.

    Raises:
        UserError: an expression matches nothing, or expressions with different factors match one parameter.
    """
    found = _factors_of(model, factors)
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = []
    for group in optimizer.param_groups:
        for factor in sorted({found.get(p, 1.0) for p in group["params"]}, key=lambda each: (each != 1, each)):
            parameters = [p for p in group["params"] if found.get(p, 1.0) == factor]
            own = {"params": parameters, "param_names": [names[p] for p in parameters]}
            groups.append({**group, **own, "lr": factor * group["lr"], "lr_factor": factor})
    optimizer.param_groups = groups


def with_rates_of_groups(optim: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an ``optim`` block in which the rates of the schedule are lists, if the groups have factors.

    Args:
        optim: the block, with all arguments of the schedule.
        groups: the groups of the optimizer.
    """
    if not all("lr_factor" in group for group in groups):
        return dict(optim)
    given = {key: optim[key] for key in RATES if optim.get(key) is not None}
    return {**optim, **{key: [group["lr_factor"] * rate for group in groups] for key, rate in given.items()}}


def _factors_of(model: nn.Module, factors: Mapping[str, float]) -> dict[nn.Parameter, float]:
    """Return the parameters that have a factor; those that are not trained have none."""
    named = [(name, p) for name, p in model.named_parameters(remove_duplicate=False) if p.requires_grad]
    found: dict[nn.Parameter, tuple[str, float]] = {}
    for text, factor in factors.items():
        pattern = compile_pattern(text, "optim.lr_factors")
        matches = {parameter: name for name, parameter in named if pattern.search(name)}
        if not matches:
            raise UserError(
                f"optim.lr_factors: {text!r} matches the name of no parameter that is trained; the nearest names are "
                f"{', '.join(_nearest(text, [name for name, _ in named]))}"
            )
        for parameter, name in matches.items():
            other, known = found.setdefault(parameter, (text, factor))
            if known != factor:
                raise UserError(
                    f"optim.lr_factors: {other!r} with {known} and {text!r} with {factor} both match {name}; expected "
                    "one factor for each parameter"
                )
        values = sum(parameter.numel() for parameter in matches)
        logging.info(f"optim.lr_factors: {text!r} with {factor} matches {len(matches)} parameters, {values} values")
    return {parameter: factor for parameter, (_, factor) in found.items()}


def _nearest(text: str, names: Iterable[str]) -> list[str]:
    """Return the names that are most similar to an alternative of a regular expression."""
    alternatives = [re.sub(r"[^\w.]", "", part.replace("\\", "")) for part in text.split("|")]

    def similarity(name: str) -> float:
        return max(difflib.SequenceMatcher(None, each, name).ratio() for each in alternatives)

    return heapq.nlargest(NEAREST, names, key=similarity)
