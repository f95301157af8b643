"""Training runs with a compiled model: against the native run, interrupted and resumed, and on two ranks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.training import acceleration

from tests.helpers.compile_cache import compile_cache
from tests.helpers.runs import Run, run_main

Config = Callable[..., dict[str, Any]]
COMPILED = "agree with those of the model that is not compiled"


@pytest.fixture(scope="module", autouse=True)
def compiled_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the module, whose first run fills it; ``auto`` finds every compilation worth its time."""
    with compile_cache(tmp_path_factory.mktemp("cache")) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceleration, "compile_seconds", lambda model, warm: 0.0)
        patch.setattr(acceleration, "SHORTEST", 0)
        yield folder


def config_of(small_config: Config, wish: str) -> dict[str, Any]:
    dc = {"activation": "irelu", "region": "output", "accelerate": wish}
    return small_config(model={"dc": dc, "num_interactions": 1}, optim={"max_epochs": 3, "checkpoint_every": 3})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, small_config: Config, compiled_cache: Path) -> Run:
    """A run of 12 steps, which ``auto`` compiles after the sixth."""
    run = run_main(tmp_path_factory.mktemp("whole"), config_of(small_config, "auto"))
    assert run.load()["compiled"] is True
    assert any(compiled_cache.rglob("*.so"))
    return run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, small_config: Config, whole: Run) -> Run:
    """The same run with a Ctrl-C in its eighth step, the second that is compiled."""
    backward = DCTrainer._backward

    def interrupted(self: Any, loss: torch.Tensor) -> None:
        if self.step == 8:
            os.kill(os.getpid(), signal.SIGINT)
        backward(self, loss)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DCTrainer, "_backward", interrupted)
        run = run_main(tmp_path_factory.mktemp("stopped"), config_of(small_config, "auto"))
    assert run.load()["step"] == 8
    return run


def resume(folder: Path, config: dict[str, Any], stopped: Run) -> Run:
    run = run_main(folder, config, "--checkpoint", str(stopped.checkpoint()))
    assert run.load()["step"] == 12
    return run


def difference(one: Run, other: Run) -> float:
    """The largest difference of two runs' weights."""
    weights, expected = one.load()["state_dict"], other.load()["state_dict"]
    return max(float((weights[name] - value).abs().max()) for name, value in expected.items())


def test_a_resumed_run_is_the_uninterrupted_one(
    tmp_path: Path, small_config: Config, whole: Run, stopped: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It compiles at its first step, without timing any, though it would take too long for the steps that are left."""
    caplog.set_level("INFO")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(acceleration, "compile_seconds", lambda model, warm: 1e9)
        resumed = resume(tmp_path, config_of(small_config, "auto"), stopped)
    assert difference(resumed, whole) == 0
    assert COMPILED in caplog.text
    assert "as before the checkpoint" in caplog.text


def test_a_checkpoint_of_one_path_resumes_in_the_other(
    tmp_path: Path, small_config: Config, whole: Run, stopped: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    resumed = resume(tmp_path, config_of(small_config, "native"), stopped)
    assert COMPILED not in caplog.text
    assert 0 < difference(resumed, whole) < 1e-5  # weights move by 1e-3 a step


def test_a_checkpoint_of_an_earlier_version(
    tmp_path: Path, small_config: Config, stopped: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """It holds no decision: the run times its own steps, of which too few are left."""
    caplog.set_level("INFO")
    state = stopped.load()
    del state["compiled"]
    torch.save(state, tmp_path / "checkpoint.pt")
    run = run_main(tmp_path, config_of(small_config, "auto"), "--checkpoint", str(tmp_path / "checkpoint.pt"))
    assert run.status == 0
    assert COMPILED not in caplog.text
    assert run.load()["compiled"] is None


def test_a_machine_that_cannot_compile(
    tmp_path: Path,
    small_config: Config,
    stopped: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(acceleration, "machine_reason", lambda device: "there is no C++ compiler")
    run = resume(tmp_path, config_of(small_config, "auto"), stopped)
    (warning,) = [record for record in caplog.records if "dc.accelerate" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert warning.getMessage() == "dc.accelerate: auto: the model is not compiled: there is no C++ compiler"
    assert run.load()["compiled"] is True  # the next machine may be able to


def test_losses_other_than_the_mean_absolute_error(tmp_path: Path, small_config: Config, whole: Run) -> None:
    losses = [
        {"energy": {"fn": "mse", "coefficient": 1}},
        {"forces": {"fn": "huber", "coefficient": 30}},
        {"forces": {"fn": "l2norm", "coefficient": 3}},
    ]
    runs = []
    for wish in ("compile", "native"):
        config = {**config_of(small_config, wish), "loss_functions": losses}
        runs.append(run_main(tmp_path, config))
        assert runs[-1].load()["step"] == 12
    assert 0 < difference(*runs) < 1e-5


@pytest.mark.long
@pytest.mark.slow
def test_two_ranks(tmp_path: Path, small_config: Config, whole: Run) -> None:
    """Each compiles, from the cache; the weights are those of one native process with both batches, to rounding."""
    path = tmp_path / "ranks.yml"
    path.write_text(yaml.safe_dump(config_of(small_config, "compile")))
    command = [sys.executable, "-m", "ocp_dc", "main", "--mode", "train", "--config-yml", str(path), "--cpu"]
    command += ["--run-dir", str(tmp_path), "--timestamp-id", "ranks", "--num-gpus", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    logs = [log.read_text() for log in (tmp_path / "results" / "ranks").glob("fairchem*.log")]
    assert [log.count(COMPILED) for log in logs] == [1, 1]
    config = config_of(small_config, "native")
    config["optim"]["batch_size"] *= 2
    single = run_main(tmp_path, config)
    ranks = Run(0, tmp_path, "ranks").load()["state_dict"]
    weights = single.load()["state_dict"]
    assert 0 < max(float((ranks[f"module.{name}"] - value).abs().max()) for name, value in weights.items()) < 1e-5
