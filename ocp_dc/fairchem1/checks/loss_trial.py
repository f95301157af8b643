"""A trial of loss functions and metrics on two made-up structures, for what only a call tells of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from fairchem.core.common.registry import registry
from fairchem.core.modules import evaluator

from ocp_dc.core.errors import UserError

ATOMS = (2, 3)  # of the two structures
HELPER = "metrics_dict"  # of the evaluator, the decorator of its metrics
KINDS = {"energy": "one number for each structure", "forces": "a vector for each atom", "misc": "all outputs together"}


def metric_names() -> list[str]:
    """Return the names of the metrics that fairchem's evaluator has."""
    functions = {name: value for name, value in vars(evaluator).items() if inspect.isfunction(value)}
    return [name for name, value in functions.items() if value.__module__ == evaluator.__name__ and name != HELPER]


def try_loss(target: str, name: str) -> None:
    """Compute a loss function of energies or forces.

    Args:
        target: the output; of others the shape is not known, and nothing is tried.
        name: a registered name or a dotted path of a class.

    Raises:
        UserError: it cannot be computed, or is no number with a gradient for each row; the message names those that
            can.
    """
    if target not in KINDS or target == "misc":
        return
    why = _loss_fails(target, name)
    if why is not None:
        fitting = [each for each in registry.mapping["loss_name_mapping"] if _loss_fails(target, each) is None]
        raise _unfitting(f"loss_functions.{target}.fn", name, target, why, fitting)


def try_metric(target: str, name: str, outputs: Iterable[str]) -> None:
    """Compute a metric of fairchem's evaluator of energies, forces, or all of them (``misc``).

    Args:
        target: the output that the metric is of; of others the shape is not known, and nothing is tried.
        name: one of the evaluator's functions.
        outputs: the outputs of the config.

    Raises:
        UserError: it cannot be computed; the message names those that can.
    """
    if target not in KINDS:
        return
    made_up = _structures(outputs)
    why = _metric_fails(target, name, made_up)
    if why is not None:
        fitting = [each for each in metric_names() if _metric_fails(target, each, made_up) is None]
        raise _unfitting(f"evaluation_metrics.metrics.{target}", name, target, why, fitting)


def _unfitting(path: str, name: str, target: str, why: str, fitting: list[str]) -> UserError:
    return UserError(
        f"{path}: {name!r} cannot be computed of {target}, {KINDS[target]} ({why}); expected one of "
        f"{', '.join(sorted(fitting)) or 'none'}"
    )


def _structures(outputs: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return values for the outputs of two structures: energies [2, 1], forces [5, 3], and numbers of atoms [2]."""
    made_up = {"energy": torch.ones(len(ATOMS), 1), "forces": torch.ones(sum(ATOMS), 3)}
    return {"natoms": torch.tensor(ATOMS), **{name: made_up[name] for name in outputs if name in made_up}}


def _loss_fails(target: str, name: str) -> str | None:
    made_up = _structures([target])
    predicted = (1.5 * made_up[target]).requires_grad_()

    def compute() -> None:
        value = registry.get_loss_class(name)()(predicted, made_up[target], natoms=made_up["natoms"])
        if not torch.is_tensor(value) or not value.requires_grad:
            raise TypeError("its value has no gradient")

    return _failure(compute)


def _metric_fails(target: str, name: str, made_up: Mapping[str, Any]) -> str | None:
    predicted = {key: value if key == "natoms" else 1.5 * value for key, value in made_up.items()}
    return _failure(lambda: getattr(evaluator, name)(predicted, dict(made_up), target))


def _failure(compute: Callable[[], object]) -> str | None:
    """Return what a call raises, in words; None where it returns."""
    try:
        compute()
    except Exception as error:  # of any function, and so of any kind
        return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return None
