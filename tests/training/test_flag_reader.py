"""When flags are read, at once or late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest
import torch

from ocp_dc.training.flag_reader import FlagReader


class Failed(Exception):
    """What the tests' flags raise."""


def fail(flags: Sequence[bool]) -> NoReturn:
    raise Failed(flags)


GOOD, BAD = torch.tensor([True, True]), torch.tensor([True, False])


def test_at_once():
    reader = FlagReader()
    reader.check(GOOD, fail)
    with pytest.raises(Failed) as got:
        reader.check(BAD, fail)
    assert got.value.args == ([True, False],)
    reader.end_step()
    reader.settle()


def test_at_the_end_of_the_next_step():
    reader = FlagReader(late=True)
    reader.check(GOOD, fail)
    reader.end_step()
    reader.check(GOOD, fail)
    reader.check(BAD, fail)
    reader.end_step()
    reader.check(GOOD, fail)
    with pytest.raises(Failed):
        reader.end_step()


@pytest.mark.parametrize("steps_between", [0, 1])
def test_settled(steps_between):
    """Of the step in progress, or of the one before."""
    reader = FlagReader(late=True)
    reader.check(BAD, fail)
    for _ in range(steps_between):
        reader.end_step()
    with pytest.raises(Failed):
        reader.settle()
