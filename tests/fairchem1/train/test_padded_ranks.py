"""Structures that fairchem gives to two ranks, and that count once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fairchem.core.common.data_parallel import StatefulDistributedSampler

from ocp_dc.fairchem1.train.padded_ranks import repeated_batch, repeated_indices, subtract_repeats


@pytest.mark.parametrize(
    ("structures", "ranks", "expected"), [(3, 2, [0]), (7, 5, [0, 1, 2]), (6, 3, []), (1, 3, [0, 0])]
)
def test_which_structures_are_repeated(structures, ranks, expected):
    """Of what all ranks are given, by fairchem's own sampler."""
    dataset = list(range(structures))
    samplers = [
        StatefulDistributedSampler(dataset, batch_size=1, rank=rank, num_replicas=ranks, shuffle=False)
        for rank in range(ranks)
    ]
    given = [index for sampler in samplers for index in sampler]
    for index in dataset:
        given.remove(index)
    assert sorted(given) == repeated_indices(samplers[0]) == expected


def test_the_batch_of_a_loader():
    dataset = [10, 11, 12]
    sampler = StatefulDistributedSampler(dataset, batch_size=1, rank=0, num_replicas=2, shuffle=False)
    loader = SimpleNamespace(batch_sampler=SimpleNamespace(sampler=sampler), dataset=dataset, collate_fn=tuple)
    assert repeated_batch(loader) == (10,)
    assert repeated_batch(None) is None


def test_sums_without_what_counted_twice():
    summed = {
        "energy_mae": {"total": 7.0, "numel": 4, "metric": 1.75},
        "loss": {"total": 3.0, "numel": 2, "metric": 1.5},
    }
    found = subtract_repeats(summed, {"energy_mae": {"total": 1.0, "numel": 1, "metric": 1.0}})
    assert found["energy_mae"] == {"total": 6.0, "numel": 3, "metric": 2.0}
    assert found["loss"] == summed["loss"]
    assert summed["energy_mae"]["total"] == 7.0
