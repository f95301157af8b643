"""Kernel launches and host synchronizations of a training step, which decide its time on a GPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.helpers.operation_counts import OperationCounts, step_counts, totals
from tests.helpers.runs import MODEL

DC = {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "output"}
# as many layers as in configs/md17; the counts do not depend on widths or on the batch
MODELS: dict[str, dict[str, Any]] = {"schnet": {**MODEL, "num_interactions": 3, "dc": {**DC, "elsewhere": "mish"}}}


@dataclasses.dataclass(frozen=True)
class Limits:
    """The most launches and synchronizations of each phase; lower a limit when a change lowers the count.

    Args:
        launches: by phase.
        syncs: by phase; phases without an entry must have none.
        part: the most launches of the model and the loss with ``native``, as a part of those with ``off``.
    """

    launches: dict[str, int]
    syncs: dict[str, int]
    part: float


LIMITS = {
    "schnet": Limits(
        launches={"forward": 104, "forces": 136, "loss": 50, "backward": 379, "optimizer": 224, "rest": 233},
        # the check of the batch, and PyG's graph: its bincount, masks and repeat_interleave
        syncs={"forward": 11, "loss": 8, "backward": 1, "rest": 1},
        part=0.86,
    ),
}


@pytest.fixture(scope="module")
def counts(
    tmp_path_factory: pytest.TempPathFactory, small_config: Callable[..., dict[str, Any]]
) -> Callable[[str, str], OperationCounts]:
    """Returns the counts of a training step of a model with a value of ``accelerate``; each is measured once."""
    folder: Path = tmp_path_factory.mktemp("launches")
    measured: dict[tuple[str, str], OperationCounts] = {}

    def measure(model: str, accelerate: str) -> OperationCounts:
        if (model, accelerate) not in measured:
            block = {**MODELS[model], "dc": {**MODELS[model]["dc"], "accelerate": accelerate}}
            config = small_config(model=block, optim={"ema_decay": 0.999, "max_epochs": 1})
            config["dataset"] = {"train": config["dataset"]["train"]}
            measured[model, accelerate] = step_counts(folder, config)
        return measured[model, accelerate]

    return measure


@pytest.mark.parametrize("model", MODELS)
def test_native_steps_launch_no_more_than_the_limits(model: str, counts: Callable[[str, str], OperationCounts]) -> None:
    found, limits = counts(model, "native"), LIMITS[model]
    for table, limit in ((found.launches, limits.launches), (found.syncs, limits.syncs)):
        more = {phase: dict(table[phase]) for phase, count in totals(table).items() if count > limit.get(phase, 0)}
        assert not more, f"more than {limit}: got {totals(table)}"


@pytest.mark.parametrize("model", MODELS)
def test_native_launches_fewer_kernels_than_the_host(model: str, counts: Callable[[str, str], OperationCounts]) -> None:
    off, native = (totals(counts(model, accelerate).launches) for accelerate in ("off", "native"))
    phases = ("forward", "forces", "loss", "backward")
    assert sum(native[phase] for phase in phases) <= LIMITS[model].part * sum(off[phase] for phase in phases)


def test_counts_of_a_known_computation() -> None:
    x = torch.arange(4.0, requires_grad=True)
    with OperationCounts() as counts:
        counts.phase = "forward"
        y = (x.view(2, 2) * 3).sum()  # a view, and two kernels
        gradient = torch.autograd.grad(y, x, create_graph=True)[0]
        counts.phase = "loss"
        loss = gradient[x > 1].sum()  # a comparison, a selection whose length the host must know, a sum
        float(loss)
        gradient.tolist()
        counts.phase = None
        loss.item()
    assert counts.launches["forward"] == {"mul": 1, "sum": 1, "ones_like": 1}  # with the gradient of the sum itself
    assert set(counts.launches) == {"forward", "forces", "loss"}
    assert counts.launches["loss"] == {"gt": 1, "index": 1, "sum": 1}
    assert counts.syncs == {"loss": {"index": 1, "_local_scalar_dense": 1, "tolist": 1}}
