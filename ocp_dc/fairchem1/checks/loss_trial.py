"""Try loss functions and metrics on two artificial structures, since only a call shows whether they work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from fairchem.core.common.registry import registry
from fairchem.core.modules import evaluator

from ocp_dc.core.errors import UserError

ATOM_COUNTS = (2, 3)  # of the two structures
HELPER = "metrics_dict"  # the evaluator's decorator of metrics, not a metric
OUTPUT_SHAPES = {
    "energy": "one number for each structure",
    "forces": "a vector for each atom",
    "stress": "nine numbers for each structure",
    "misc": "all outputs together",
}


def metric_names() -> list[str]:
    """Return the names of the metrics of fairchem's evaluator."""
    functions = {name: value for name, value in vars(evaluator).items() if inspect.isfunction(value)}
    return [name for name, value in functions.items() if value.__module__ == evaluator.__name__ and name != HELPER]


def try_loss(target: str, name: str) -> None:
    """Compute a loss function on energies, forces or a stress.

    Args:
        target: the output; other outputs have unknown shapes and are not tried.
        name: a registered name or a dotted path of a class.

    Raises:
        UserError: the loss cannot be computed, or has no gradient; the message names the losses that work.
    """
    if target not in OUTPUT_SHAPES or target == "misc":
        return
    why = _loss_failure(target, name)
    if why is not None:
        suitable = [each for each in registry.mapping["loss_name_mapping"] if _loss_failure(target, each) is None]
        raise _unsuitable(f"loss_functions.{target}.fn", name, target, why, suitable)


def try_metric(target: str, name: str, outputs: Iterable[str]) -> None:
    """Compute a metric of fairchem's evaluator on energies, forces, a stress, or all together (``misc``).

    Args:
        target: the output; others have unknown shapes and are not tried.
        name: the name of one of the evaluator's functions.
        outputs: the outputs of the config.

    Raises:
        UserError: the metric cannot be computed; the message names the metrics that work.
    """
    if target not in OUTPUT_SHAPES:
        return
    made_up = _structures(outputs)
    why = _metric_failure(target, name, made_up)
    if why is not None:
        suitable = [each for each in metric_names() if _metric_failure(target, each, made_up) is None]
        raise _unsuitable(f"evaluation_metrics.metrics.{target}", name, target, why, suitable)


def _unsuitable(path: str, name: str, target: str, why: str, suitable: list[str]) -> UserError:
    return UserError(
        f"{path}: {name!r} cannot be computed from {target}, {OUTPUT_SHAPES[target]} ({why}); expected one of "
        f"{', '.join(sorted(suitable)) or 'none'}"
    )


def _structures(outputs: Iterable[str]) -> dict[str, torch.Tensor]:
    """Return outputs of two structures: energies [2, 1], forces [5, 3], stress [2, 9] and numbers of atoms [2]."""
    count = len(ATOM_COUNTS)
    made_up = {
        "energy": torch.ones(count, 1),
        "forces": torch.ones(sum(ATOM_COUNTS), 3),
        "stress": torch.ones(count, 9),
    }
    return {"natoms": torch.tensor(ATOM_COUNTS), **{name: made_up[name] for name in outputs if name in made_up}}


def _loss_failure(target: str, name: str) -> str | None:
    made_up = _structures([target])
    predicted = (1.5 * made_up[target]).requires_grad_()

    def compute() -> None:
        value = registry.get_loss_class(name)()(predicted, made_up[target], natoms=made_up["natoms"])
        if not torch.is_tensor(value) or not value.requires_grad:
            raise TypeError("its value has no gradient")

    return _failure(compute)


def _metric_failure(target: str, name: str, made_up: Mapping[str, Any]) -> str | None:
    predicted = {key: value if key == "natoms" else 1.5 * value for key, value in made_up.items()}
    return _failure(lambda: getattr(evaluator, name)(predicted, dict(made_up), target))


def _failure(compute: Callable[[], object]) -> str | None:
    """Return the error of a call as text, or None if it succeeds."""
    try:
        compute()
    except Exception as error:  # a user's function may raise anything
        return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    return None
