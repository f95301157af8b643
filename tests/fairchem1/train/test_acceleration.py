"""The decision whether a run compiles its model, with a clock and a machine of the test's own."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ocp_dc.fairchem1.wrappers import DCGemNetT, DCSchNet
from ocp_dc.fairchem1.wrappers.native_model import native_model
from ocp_dc.models.compilation import accelerator as accelerator_module
from ocp_dc.models.compilation.requirements import machine_reason, model_reason
from ocp_dc.training import acceleration
from ocp_dc.training.acceleration import AccelerationChoice

from tests.helpers.runs import GEMNET, MODEL, Run, run_main

ARGUMENTS = {key: value for key, value in MODEL.items() if key != "name"}
IRELU = {"activation": "irelu", "region": "output"}


@pytest.fixture(autouse=True)
def able_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with a compiler, where a compilation takes two minutes, and an empty cache."""
    monkeypatch.setattr(acceleration, "machine_reason", lambda device: None)
    monkeypatch.setattr(acceleration, "compile_seconds", lambda model, warm: 15.0 if warm else 120.0)
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)


def state_of(model: torch.nn.Module, compiled: bool | None = None) -> Any:
    return types.SimpleNamespace(bare_model=model, step=0, scaler=None, compiled=compiled)


def run_steps(model: torch.nn.Module, total: int, seconds: float, **options: Any) -> Any:
    """Let a choice see the first steps of a run, and return the state."""
    times: Iterator[float] = iter(seconds * number for number in range(total))
    compiled = options.pop("compiled", None)
    choice, state = (
        AccelerationChoice(total, native_model, logs=True, now=lambda: next(times), **options),
        state_of(model, compiled),
    )
    choice.start(state)
    for _ in range(10):
        state.step += 1
        choice.step(state, {})
    return state


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("dc.accelerate")]


def enabled(model: Any) -> bool:
    return model.accelerator._enabled


@pytest.mark.parametrize(
    ("total", "seconds", "expected"), [(20_000, 0.05, True), (2_000, 0.05, False), (2_000, 0.5, True)]
)
def test_auto_compiles_where_the_run_is_long_enough(
    total: int, seconds: float, expected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A quarter of the time is saved, and the compilation takes 120 s: 10,400 steps of 0.05 s, or 1,040 of 0.5 s."""
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    state = run_steps(model, total, seconds)
    assert enabled(model) is expected
    assert state.compiled is expected
    (line,) = lines(caplog)
    assert line.startswith(f"dc.accelerate: auto: the {'next batch compiles the' if expected else 'model is not'}")
    assert f"{total - 6:,} steps of {seconds:.3g} s remain" in line


def test_a_warm_cache_makes_shorter_runs_worth_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(acceleration.cache, "is_warm", lambda key: True)
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    run_steps(model, 2_000, 0.05)
    assert enabled(model)
    assert lines(caplog)[0].endswith("about 15 s from the cache")


def test_short_runs_are_not_compiled_even_from_the_cache(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as the demo's: their results depend on no cache."""
    caplog.set_level("INFO")
    monkeypatch.setattr(acceleration.cache, "is_warm", lambda key: True)
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    run_steps(model, 1_000, 1.0)
    assert not enabled(model)
    assert lines(caplog) == ["dc.accelerate: auto: the model is not compiled: the run has fewer than 1,500 steps"]


@pytest.mark.parametrize("compiled", [True, False])
def test_a_resumed_run_keeps_the_decision(compiled: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever its own steps would decide."""
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    state = run_steps(model, 10 if compiled else 10**6, 1.0, compiled=compiled)
    assert enabled(model) is compiled
    assert state.compiled is compiled
    (line,) = lines(caplog)
    assert line.endswith("as before the checkpoint")


@pytest.mark.parametrize("first_rank", [0.0, 1.0])
def test_the_first_rank_decides_for_all(first_rank: float) -> None:
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    state = run_steps(model, 20_000, 0.05, agree=lambda values: [first_rank])
    assert enabled(model) is state.compiled is bool(first_rank)


def test_larger_models_take_longer_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    small, large = (DCSchNet(**{**ARGUMENTS, "num_interactions": count}) for count in (1, 3))
    assert acceleration.compile_seconds(small, True) < acceleration.compile_seconds(small, False)
    assert acceleration.compile_seconds(small, False) < acceleration.compile_seconds(large, False)


@pytest.mark.parametrize("dc", [{**IRELU, "accelerate": "native"}, {**IRELU, "accelerate": "off"}, None])
def test_nothing_is_decided_where_nothing_is_asked(dc: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc=dc)
    run_steps(model, 10**6, 1.0)
    assert not enabled(model)
    assert lines(caplog) == []


def test_compile_starts_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc={**IRELU, "accelerate": "compile"})
    AccelerationChoice(1, native_model, logs=True).start(state_of(model))
    assert enabled(model)
    assert lines(caplog) == ["dc.accelerate: compile: the first batch compiles the model, which takes a minute or more"]


@pytest.mark.parametrize(
    ("dc", "reason"),
    [
        ({"dropout": 0.1}, "act is a dropout, which draws random numbers"),
        ({"insert_norm": "batchnorm"}, "act.norm is a BatchNorm1d, which updates running statistics"),
    ],
)
def test_models_that_cannot_be_compiled(dc: Any, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc={**IRELU, **dc, "accelerate": "compile"})
    run_steps(model, 10**6, 1.0)
    assert not enabled(model)
    assert model_reason(model) == reason
    assert lines(caplog) == [f"dc.accelerate: compile: the model is not compiled: {reason}"]
    assert caplog.records[-1].levelname == "WARNING"


@pytest.mark.parametrize(("wish", "level"), [("native", "WARNING"), ("compile", "WARNING"), ("auto", "INFO")])
def test_models_that_only_fairchem_computes(wish: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    arguments = {key: value for key, value in GEMNET.items() if key != "name"}
    run_steps(DCGemNetT(**arguments, direct_forces=True, dc={"accelerate": wish}), 10**6, 1.0)
    assert lines(caplog) == [
        f"dc.accelerate: {wish}: fairchem's forward pass computes the model: it predicts direct forces"
    ]
    assert caplog.records[-1].levelname == level


def test_a_model_without_forces_is_not_compiled(caplog: pytest.LogCaptureFixture) -> None:
    model = DCSchNet(**ARGUMENTS, regress_forces=False, dc={"accelerate": "compile"})
    run_steps(model, 10**6, 1.0)
    assert not enabled(model)
    assert lines(caplog) == ["dc.accelerate: compile: the model is not compiled: it predicts no forces"]


def test_a_run_with_direct_forces_is_fairchems(
    tmp_path: Path, small_config: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """Bit for bit, with a warning."""
    config = small_config(optim={"max_epochs": 1})
    models = [{**GEMNET, "direct_forces": True, "dc": {"accelerate": wish}} for wish in ("off", "compile")]
    runs = [run_main(tmp_path, {**config, "model": model}) for model in models]
    assert [run.status for run in runs] == [0, 0]
    (line,) = lines(caplog)
    assert line.endswith("it predicts direct forces")
    assert_same_weights(*runs)


def test_mixed_precision_is_not_compiled(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = DCSchNet(**ARGUMENTS, dc=IRELU)
    state = state_of(model)
    state.scaler = object()
    AccelerationChoice(10**6, native_model, logs=True).start(state)
    assert lines(caplog) == ["dc.accelerate: auto: the model is not compiled: --amp computes in mixed precision"]


def test_an_old_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.4.1+cpu")
    assert machine_reason(torch.device("cpu")) == "torch is 2.4.1+cpu, and 2.6 or later is needed"


def test_a_missing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    cpp_builder = pytest.importorskip("torch._inductor.cpp_builder")

    def missing() -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", missing)
    assert machine_reason(torch.device("cpu")) == "there is no C++ compiler; install g++, or set CXX"


def test_a_run_whose_compilation_fails_is_the_eager_run(
    tmp_path: Path,
    small_config: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Bit for bit: the attempt draws no random number and leaves no gradient behind."""

    def fails(*arguments: Any) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(accelerator_module, "CompiledPotential", fails)
    runs = [
        run_main(tmp_path, small_config(model={"dc": {**IRELU, "accelerate": wish}})) for wish in ("native", "compile")
    ]
    assert [run.status for run in runs] == [0, 0]
    warnings = [record.getMessage() for record in caplog.records if "no luck" in record.getMessage()]
    assert len(warnings) == 1
    assert_same_weights(*runs)


def assert_same_weights(*runs: Run) -> None:
    one, other = (run.load()["state_dict"] for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)
