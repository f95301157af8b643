"""Random generators that go on where a checkpoint left them."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ocp_dc.training.random_states import (
    RandomStates,
    get_random_states,
    get_torch_states,
    set_random_states,
    set_torch_states,
)
from ocp_dc.training.state import TrainingState


def draws() -> list[float]:
    return [random.gauss(0, 1), float(np.random.rand()), float(np.random.randn()), float(torch.rand(()))]


def test_all_generators_survive_a_checkpoint(tmp_path):
    random.gauss(0, 1)  # each of these keeps a second number for the next call
    np.random.randn()
    torch.save(get_random_states(), tmp_path / "state.pt")
    expected = draws()
    set_random_states(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws() == expected


def test_torch_alone():
    device = torch.device("cpu")
    states = get_torch_states(device)
    assert states[1] is None
    expected = torch.rand(3)
    set_torch_states(*states, device)
    assert torch.equal(torch.rand(3), expected)


def test_a_run_starts_with_the_states_of_its_rank():
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(get_random_states())
    expected = torch.rand(3)
    RandomStates(rank=1, world_size=2).start(TrainingState(step=3, random_states=states))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("step", "ranks", "message"),
    [(0, None, ""), (3, None, "holds no random states"), (3, 2, "is of 2 ranks, this run has 1")],
)
def test_a_run_whose_states_are_not_there(step, ranks, message, caplog):
    states = None if ranks is None else [get_random_states()] * ranks
    before = torch.get_rng_state()
    RandomStates().start(TrainingState(step=step, random_states=states))
    assert torch.equal(torch.get_rng_state(), before)
    assert message in caplog.text
    assert bool(caplog.text) == bool(message)
