"""Kernel launches and host synchronizations of a training step, which decide its time on a GPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.operation_counts import OperationCounts, step_counts, totals

Counts = Callable[[str, str], OperationCounts]


@dataclasses.dataclass(frozen=True)
class Limits:
    """The most launches and synchronizations of each phase with ``native``; lower them when a change lowers the counts.

    ``python benchmarks/gpu.py`` prints the counts on a machine without a GPU.

    Args:
        launches: by phase.
        syncs: by phase; phases without an entry must have none.
        before: launches and syncs of a whole step of the stock model, before there were native models.
        part: the most launches and syncs of a step now, as parts of those before.
    """

    launches: dict[str, int]
    syncs: dict[str, int]
    before: tuple[int, int]
    part: tuple[float, float]


# the syncs of a forward pass: the check of the batch, kept edges, the largest number of edges of an atom
LIMITS = {
    "schnet-dc": Limits(
        launches={"forward": 377, "forces": 118, "loss": 36, "backward": 469, "optimizer": 1, "rest": 11},
        syncs={"forward": 7, "loss": 2, "rest": 1},
        before=(1740, 51),
        part=(0.59, 0.20),
    ),
    "dimenetplusplus-dc": Limits(
        launches={"forward": 395, "forces": 155, "loss": 36, "backward": 661, "optimizer": 1, "rest": 11},
        syncs={"forward": 8, "loss": 2, "rest": 1},
        before=(11913, 54),
        part=(0.11, 0.21),
    ),
    "gemnet_t-dc": Limits(
        launches={"forward": 675, "forces": 787, "loss": 40, "backward": 2135, "optimizer": 1, "rest": 11},
        syncs={"forward": 7, "loss": 2, "rest": 1},
        before=(6097, 119),
        part=(0.60, 0.09),
    ),
    "gemnet_oc-dc": Limits(  # before: with ``off``
        launches={"forward": 1309, "forces": 730, "loss": 53, "backward": 2040, "optimizer": 1, "rest": 12},
        syncs={"forward": 15, "loss": 2, "rest": 1},
        before=(5798, 195),
        part=(0.72, 0.10),
    ),
}


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory, ethanol: Path) -> Counts:
    """Returns the counts of a training step of a config with a value of ``accelerate``; each is measured once."""
    folder = tmp_path_factory.mktemp("launches")
    measured: dict[tuple[str, str], OperationCounts] = {}

    def measure(config: str, accelerate: str) -> OperationCounts:
        if (config, accelerate) not in measured:
            measured[config, accelerate] = step_counts(config, accelerate, ethanol, folder)
        return measured[config, accelerate]

    return measure


@pytest.mark.parametrize("config", LIMITS)
def test_a_native_step_launches_no_more_than_the_limits(config: str, counts: Counts) -> None:
    found, limits = counts(config, "native"), LIMITS[config]
    for table, limit in ((found.launches, limits.launches), (found.syncs, limits.syncs)):
        more = {phase: dict(table[phase]) for phase, count in totals(table).items() if count > limit.get(phase, 0)}
        assert not more, f"more than {limit}: got {totals(table)}"


@pytest.mark.parametrize("config", LIMITS)
def test_a_native_step_launches_a_part_of_what_it_did(config: str, counts: Counts) -> None:
    found, limits = counts(config, "native"), LIMITS[config]
    for table, before, part in zip((found.launches, found.syncs), limits.before, limits.part, strict=True):
        assert sum(totals(table).values()) <= part * before


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
