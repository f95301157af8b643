"""Step times are measured with what a run gets, and kept for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.launch import Launch
from ocp_dc.study.step_times import Resources, cached_step_times


class Clock:
    """An engine whose steps take as many seconds as its calls so far; it notes with what it was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []

    def measure_step_times(self, configs: Mapping[str, Any], cpu: bool) -> dict[str, float]:
        self.calls.append((torch.get_num_threads(), cpu))
        return dict.fromkeys(configs, float(len(self.calls)))


def times(clock: Clock, path: Path, resources: Resources) -> dict[str, float]:
    return cached_step_times(cast("Engine", clock), {"a": {"x": 1}, "b": {"x": 2}}, path, resources)


def test_a_run_gets_as_many_threads_as_its_steps_were_measured_with(tmp_path: Path) -> None:
    clock, path, before = Clock(), tmp_path / "times.json", torch.get_num_threads()
    assert times(clock, path, Resources(3)) == {"a": 1.0, "b": 1.0}
    assert times(clock, path, Resources(3)) == {"a": 1.0, "b": 1.0}
    assert times(clock, path, Resources(1)) == {"a": 2.0, "b": 2.0}
    assert times(clock, path, Resources(1, gpu=True)) == {"a": 3.0, "b": 3.0}
    assert times(clock, path, Resources(3)) == {"a": 1.0, "b": 1.0}
    assert clock.calls == [(3, True), (1, True), (1, False)]
    assert torch.get_num_threads() == before


def test_times_of_a_node_are_taken_from_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, path, here = Clock(), tmp_path / "times.json", Resources(4)
    times(clock, path, here)
    times(clock, path, Resources(4, elsewhere=True))
    assert not caplog.messages
    times(clock, tmp_path / "others.json", Resources(4, elsewhere=True))
    assert "are measured on this machine, and the jobs may run on a faster or slower one" in caplog.text


def test_what_a_run_gets() -> None:
    assert Launch("", cpu=True).resources() == Resources(1)
    assert Launch("", cpu=True, threads=2, jobs=3).resources() == Resources(2)
    job = ["slurm_partition=gpu", "cpus_per_task=6"]
    assert Launch("", submit=job).resources() == Resources(6, gpu=True, elsewhere=True)
    assert Launch("", submit=job, dry_run=True).resources() == Resources(6, gpu=True)
    assert Launch("", submit=["cluster=local", "slurm_cpus_per_task=2"], cpu=True).resources() == Resources(2)
    assert Launch("", submit=[], cpu=True, threads=3).resources() == Resources(3, elsewhere=True)


@pytest.mark.parametrize("seconds", [0, -1.0, "fast", None])
def test_a_damaged_file(tmp_path: Path, seconds: Any) -> None:
    path = tmp_path / "times.json"
    times(Clock(), path, Resources())
    from ocp_dc.core.files import read_json, write_json

    write_json(path, dict.fromkeys(read_json(path, ""), seconds))
    with pytest.raises(UserError, match="expected seconds; remove it to measure again"):
        times(Clock(), path, Resources())
