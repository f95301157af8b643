"""Terms of the loss with settings that fairchem does not have: the Huber loss, and weights that change in a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fairchem.core.common.registry import registry
from torch import Tensor, nn

# Labels that are divided by the root mean square force are of order 1. The errors of a fit fall from there to some
# percent, so that they pass this value in the course of a run.
DELTA = 0.1


@registry.register_loss("huber")
class HuberLoss(nn.Module):
    """Half the squared error up to ``delta`` and linear beyond it, for each component of a force.

    Args:
        delta: the error at which the loss becomes linear, with this slope; in units of the scaled labels.
    """

    def __init__(self, delta: float = DELTA) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, predicted: Tensor, target: Tensor, natoms: Tensor) -> Tensor:
        """Return the loss of each value, which fairchem averages; ``natoms`` is not used."""
        return nn.functional.huber_loss(predicted, target, reduction="none", delta=self.delta)


def add_settings(
    functions: Iterable[tuple[str, dict[str, Any]]], losses: Iterable[Mapping[str, Mapping[str, Any]]]
) -> None:
    """Add the settings that fairchem does not pass on to the terms of the loss that it has built.

    Args:
        functions: for each term, the name of the output, and its ``fn`` and ``coefficient``.
        losses: the block ``loss_functions`` of the config, in the same order.
    """
    settings = [each for loss in losses for each in loss.values()]
    for (_, info), given in zip(functions, settings, strict=True):
        if given.get("delta") is not None:
            info["fn"].loss_fn.delta = given["delta"]
        info["final_coefficient"] = given.get("final_coefficient")


def weight(info: Mapping[str, Any], progress: float) -> float:
    """Return the weight of a term: from ``coefficient`` to ``final_coefficient``, with an even pace of its logarithm.

    Args:
        info: the settings of the term.
        progress: the progress of the run, from 0 to 1.
    """
    first: float = info["coefficient"]
    final = info.get("final_coefficient")
    return first if final is None else float(first ** (1 - progress) * final**progress)
