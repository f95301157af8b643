"""Time and memory of a training step, on clocks and devices that are stood in for."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from ocp_dc.training import step_clock
from ocp_dc.training.state import TrainingState
from ocp_dc.training.step_clock import StepClock, peak_memory, start_peak_memory

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test sets."""
    moment = [100.0]
    monkeypatch.setattr(step_clock.time, "perf_counter", lambda: moment[0])
    return moment


def test_pauses_do_not_count(now):
    clock = StepClock(CPU)
    now[0] += 3.0
    clock.count()
    with clock.paused():  # a checkpoint between validations
        now[0] += 50.0
    now[0] += 1.0
    clock.count()
    with clock.paused():
        assert clock.seconds_per_step() == 2.0
        now[0] += 70.0
    now[0] += 5.0
    clock.count()
    with clock.paused():
        assert clock.seconds_per_step() == 5.0


def test_a_clock_that_counted_no_step_has_no_mean(now):
    clock = StepClock(CPU)
    clock.count()
    clock.start(TrainingState())
    now[0] += 2.0
    clock.pause()
    assert clock.seconds_per_step() is None
    now[0] += 9.0
    clock.resume()
    now[0] += 4.0
    clock.step(TrainingState(), {})
    clock.pause()
    assert clock.seconds_per_step() == 4.0


def test_a_pause_that_fails_is_over(now):
    clock = StepClock(CPU)

    def failing():
        with clock.paused():
            now[0] += 9.0
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        failing()
    now[0] += 1.0
    clock.count()
    with clock.paused():
        assert clock.seconds_per_step() == 1.0


def test_a_gpu_is_waited_for_in_pauses_alone(now, monkeypatch):
    """What it still had to do counts."""
    waits = []

    def synchronize(device):
        waits.append(device)
        now[0] += 4.0

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    clock = StepClock(GPU)
    clock.count()
    clock.count()
    assert waits == []
    with clock.paused():
        assert clock.seconds_per_step() == 2.0
    assert waits == [GPU]


@pytest.mark.parametrize(("platform", "expected"), [("other", 3.0), ("darwin", 3 / 1024)])
def test_resident_memory_where_there_is_no_proc(monkeypatch, tmp_path, platform, expected):
    class Usage:
        ru_maxrss = 3 * 1024

    monkeypatch.setattr(step_clock, "STATUS", tmp_path / "status")
    monkeypatch.setattr(step_clock.sys, "platform", platform)
    monkeypatch.setattr(resource, "getrusage", lambda who: Usage)
    assert peak_memory(CPU) == expected


def test_no_resident_memory_where_nothing_tells_it(monkeypatch, tmp_path):
    """As on Windows; the module is imported there, too."""
    monkeypatch.setattr(step_clock, "STATUS", tmp_path / "status")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory(CPU) is None
    assert not hasattr(step_clock, "resource")


def test_resident_memory_from_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(step_clock, "STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("Name:\ta:b\nVmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nThreads:\t1\n")
    assert peak_memory(CPU) == 2.0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere getrusage is what is read")
def test_resident_memory_is_of_this_process():
    """Near what getrusage says, which may hold the peak of the process that started this one, too."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert 10 < peak_memory(CPU) <= most + 8


def test_memory_of_a_gpu(monkeypatch):
    forgotten: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 5 * 2**20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forgotten.append)
    start_peak_memory(CPU)
    assert forgotten == []
    start_peak_memory(GPU)
    assert forgotten == [GPU]
    assert peak_memory(GPU) == 5.0
