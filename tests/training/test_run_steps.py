"""The steps of a run, of one that is extended, and the progress at each."""

from __future__ import annotations

import pytest

from ocp_dc.training.extension import Extension
from ocp_dc.training.run_steps import RunSteps


def test_progress_from_the_first_to_the_last_step() -> None:
    steps = RunSteps.of(3, 4, None)
    assert steps == RunSteps(12)
    assert [steps.progress(step) for step in range(1, 13)] == pytest.approx([k / 11 for k in range(12)])
    assert (steps.progress(1), steps.progress(12)) == (0, 1)
    assert RunSteps(1).progress(1) == 0


def test_an_extension_is_behind_the_progress() -> None:
    """Also that of a run that stopped early, in mid-epoch, and of a fresh run that has the key."""
    steps = RunSteps.of(5, 4, Extension(after=2.5))
    assert steps == RunSteps(20, extended=10)
    assert [steps.progress(step) for step in (1, 10, 11, 20)] == [0, 1, 1, 1]


def test_the_last_share_of_a_run_and_of_an_extension() -> None:
    steps = RunSteps(16)
    assert [step for step in range(1, 17) if steps.is_past(step, 0.75)] == [13, 14, 15, 16]
    steps = RunSteps(20, extended=12)
    assert [step for step in range(1, 21) if steps.is_past(step, 0.75)] == [19, 20]
    assert [step for step in range(1, 11) if RunSteps(10).is_past(step, 0.99)] == [10]
