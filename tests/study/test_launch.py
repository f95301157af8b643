from __future__ import annotations

from typing import Any

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.study.launch import Launch


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"jobs": 0}, "--jobs: got 0, expected a whole number, at least 1"),
        ({"threads": -1}, "--threads: got -1, expected a whole number, at least 1"),
        ({"submit": ["slurm_partition"]}, "--submit: got 'slurm_partition', expected KEY=VALUE"),
    ],
    ids=["jobs", "threads", "submit"],
)
def test_mistakes_are_found_before_anything_starts(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Launch("ocp-dc study run", **choice)


def test_the_machine_has_what_was_chosen() -> None:
    machine = Launch("ocp-dc study run", jobs=3, threads=2, cpu=True).machine()
    assert (machine.jobs, machine.threads, machine.gpus) == (3, 2, 0)
