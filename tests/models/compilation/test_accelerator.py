"""Compiled energies, forces and gradients against the eager ones at the same weights, and when which is used."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ocp_dc.models.compilation import accelerator as module
from ocp_dc.models.compilation import compiled as compiled_module
from ocp_dc.models.compilation.accelerator import Accelerator, cache_key
from ocp_dc.models.gemnet_t import GemNetT

from tests.helpers.toy_potential import SIZES, Toy, toy_batch

Compiled = tuple[Toy, Accelerator]
ROOT = Path(__file__).parents[3]
OTHER_SIZES = (9, 3, 6, 6, 12, 12)


@pytest.fixture
def calls(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The evaluations of the eager potential: ``energy_and_forces`` is in it once for each."""
    found, eager = [], Toy.energy_and_forces

    def counted(self: Toy, *batch: Any) -> tuple[Tensor, Tensor]:
        found.append("eager")
        return eager(self, *batch)

    monkeypatch.setattr(Toy, "energy_and_forces", counted)
    return found


def results(function: Callable[..., tuple[Tensor, Tensor]], model: torch.nn.Module, batch: Any) -> list[Tensor]:
    """Energy, forces, and the gradients of a loss of both."""
    energy, forces = function(*batch)
    loss = energy.square().mean() + 3 * forces.square().mean()
    parameters = [value for name, value in model.named_parameters() if value.requires_grad and name != "unused"]
    return [energy, forces, *torch.autograd.grad(loss, parameters)]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def test_in_lockstep_while_the_weights_change(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = copy.deepcopy(compiled[0]), compiled[1]
    live = compiled[0]
    before = copy.deepcopy(live.state_dict())
    optimizer = torch.optim.Adam(live.parameters(), lr=0.02)
    for step in range(10):
        batch = toy_batch(OTHER_SIZES[step % 3 :], seed=step)
        model.load_state_dict(live.state_dict())
        expected = results(model.energy_and_forces, model, batch)
        calls.clear()
        found = results(lambda *b: accelerator.energy_and_forces(live, *b), live, batch)
        assert calls == []
        assert_same(found, expected)
        optimizer.zero_grad()
        energy, forces = accelerator.energy_and_forces(live, *batch)
        ((energy - 1).square().mean() + forces.square().mean()).backward()
        assert live.unused.grad is None or not live.unused.grad.any()
        optimizer.step()
    assert not torch.equal(live.out.weight, before["out.weight"])
    live.load_state_dict(before)


def test_a_factor_that_is_set_after_the_compilation_counts(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = compiled
    batch = toy_batch(OTHER_SIZES)
    before = model.energy_and_forces(*batch)[0]
    for value in (0.7, 1.3, 0.0):
        model.factor.data.fill_(value)
        expected = results(model.energy_and_forces, model, batch)
        calls.clear()
        assert_same(results(lambda *b: accelerator.energy_and_forces(model, *b), model, batch), expected)
        assert calls == []
        assert torch.equal(expected[0], before) is (value == 0.0)


def test_scale_factors_of_gemnet_that_are_set_after_the_compilation_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace stands for the compiled function: torch compiles 70 kernels for it, which takes minutes."""
    import torch._inductor

    monkeypatch.setattr(torch._inductor, "compile", lambda module, inputs: module)
    torch.manual_seed(0)
    model, accelerator = GemNetT(2, 4, 1, 6, 6, 4, 4, 4, 4, 0, 0, 0, 0), Accelerator()
    numbers, positions, graph = toy_batch((5, 6))
    batch = (numbers, positions, model.build_graph(graph.edges))
    accelerator.enable()
    accelerator.energy_and_forces(model, *batch)
    assert accelerator.is_compiled
    before = model.energy_and_forces(*batch)[0]
    for name, factor in model.named_parameters():
        if name.endswith("scale_factor"):
            factor.data.fill_(0.7)
    expected = results(model.energy_and_forces, model, batch)
    monkeypatch.setattr(GemNetT, "energy_and_forces", lambda *_: pytest.fail("computed eagerly"))
    assert_same(results(lambda *b: accelerator.energy_and_forces(model, *b), model, batch), expected)
    assert (expected[0] - before).abs().max() > 0.1 * before.abs().max()


def test_without_gradients_the_compiled_function_is_used_too(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = compiled
    batch = toy_batch(OTHER_SIZES)
    with torch.no_grad():
        found = accelerator.energy_and_forces(model, *batch)
        assert calls == []
        assert_same([*found], [*model.energy_and_forces(*batch)])
    assert not found[0].requires_grad
    assert not found[1].requires_grad


def no_edges() -> Any:
    numbers, positions, graph = toy_batch((1, 1, 1))
    return numbers, positions, graph


@pytest.mark.parametrize("batch", [toy_batch((5,)), no_edges(), toy_batch((40, 41, 42))], ids=["one", "none", "large"])
def test_sizes_that_are_not_compiled(compiled: Compiled, calls: list[str], batch: Any) -> None:
    """A single structure and no edges are special to torch, and so are sums of more than 4,096 rows."""
    model, accelerator = compiled
    found = results(lambda *b: accelerator.energy_and_forces(model, *b), model, batch)
    assert calls == ["eager"]
    assert_same(found, results(model.energy_and_forces, model, batch))


def test_positions_that_require_a_gradient(compiled: Compiled, calls: list[str]) -> None:
    """They ask for second derivatives, which the compiled function does not have."""
    model, accelerator = compiled
    numbers, positions, graph = toy_batch(OTHER_SIZES)
    positions.requires_grad_()
    _, forces = accelerator.energy_and_forces(model, numbers, positions, graph)
    assert calls == ["eager"]
    assert torch.autograd.grad(forces.square().sum(), positions)[0].any()


def test_second_derivatives_of_the_compiled_function_are_an_error(compiled: Compiled) -> None:
    model, accelerator = compiled
    numbers, positions, graph = toy_batch(OTHER_SIZES)
    _, forces = accelerator.energy_and_forces(model, numbers, positions, graph)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(forces.sum(), positions)


def test_mixed_precision(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = compiled
    with torch.autocast("cpu", dtype=torch.bfloat16):
        accelerator.energy_and_forces(model, *toy_batch(OTHER_SIZES))
    assert calls == ["eager"]


def test_frozen_weights(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = compiled
    model.out.bias.requires_grad_(False)
    accelerator.energy_and_forces(model, *toy_batch(OTHER_SIZES))
    model.out.bias.requires_grad_(True)
    assert calls == ["eager"]
    accelerator.energy_and_forces(model, *toy_batch(OTHER_SIZES))
    assert calls == ["eager"]


def test_another_precision(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = compiled
    numbers, positions, graph = toy_batch(OTHER_SIZES)
    model.double()
    with torch.no_grad():
        energy, _ = accelerator.energy_and_forces(model, numbers, positions.double(), graph)
    model.float()
    assert energy.dtype == torch.float64
    assert calls == ["eager"]


def test_copies_pickles_and_checkpoints_hold_no_function(compiled: Compiled, calls: list[str]) -> None:
    model, accelerator = copy.deepcopy(compiled[0]), compiled[1]
    names = set(model.state_dict())
    vars(model)["accelerator"] = accelerator
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert set(other.state_dict()) == names
        assert not other.accelerator.is_compiled
        other.accelerator.energy_and_forces(other, *toy_batch(OTHER_SIZES))
    assert calls == ["eager", "eager"]
    assert accelerator.is_compiled


OTHER_PROCESS = """
import logging, sys, torch
from ocp_dc.models.compilation.accelerator import Accelerator
from tests.helpers.toy_potential import SIZES, Toy, toy_batch
logging.basicConfig(level="INFO")
torch.manual_seed(0)
model, accelerator = Toy(), Accelerator()
accelerator.enable()
accelerator.energy_and_forces(model, *toy_batch({sizes}))
Toy.energy_and_forces = None  # the eager one
torch.save([value.detach() for value in accelerator.energy_and_forces(model, *toy_batch({others}))], sys.argv[1])
"""


def in_another_process(path: Path) -> tuple[str, list[Tensor]]:
    """Compile there; return the log, and the energy and forces of another batch."""
    script = OTHER_PROCESS.format(sizes=SIZES, others=OTHER_SIZES)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr, torch.load(path)


@pytest.mark.long
@pytest.mark.slow
def test_a_damaged_library_is_compiled_again(compiled: Compiled, compiled_cache: Path, tmp_path: Path) -> None:
    """In other processes, for the libraries of this one stay loaded: from the cache, and after damage to it."""
    libraries = {path: path.stat().st_size for path in compiled_cache.rglob("*.so")}
    expected = [value.detach() for value in compiled[1].energy_and_forces(compiled[0], *toy_batch(OTHER_SIZES))]
    log, found = in_another_process(tmp_path / "cached.pt")
    assert "compiled in" in log
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert {path: path.stat().st_size for path in compiled_cache.rglob("*.so")} == libraries
    damaged = {path: path.read_bytes()[:100] for path in libraries}  # half of a small library may still work
    for path, content in damaged.items():
        path.unlink()  # it is mapped into this process
        path.write_bytes(content)
    log, found = in_another_process(tmp_path / "damaged.pt")
    assert "compiled in" in log
    assert_same(found, expected)
    assert not [path for path, content in damaged.items() if path.exists() and path.read_bytes() == content]


def test_random_numbers_are_not_touched(compiled_cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def draws(*arguments: Any) -> None:
        torch.rand(3)
        raise RuntimeError("no luck")

    monkeypatch.setattr(module, "CompiledPotential", draws)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    accelerator = Accelerator()
    accelerator.enable()
    model = Toy()
    state = torch.get_rng_state()
    accelerator.energy_and_forces(model, *toy_batch(OTHER_SIZES))
    assert torch.equal(torch.get_rng_state(), state)


def test_an_error_of_the_compiler_is_one_warning(
    compiled_cache: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: Any) -> None:
        raise RuntimeError("no luck\nand many more lines")

    monkeypatch.setattr(module, "CompiledPotential", fails)
    model, accelerator, batch = Toy(), Accelerator(), toy_batch(OTHER_SIZES)
    accelerator.enable()
    for _ in range(3):
        found = results(lambda *b: accelerator.energy_and_forces(model, *b), model, batch)
    assert_same(found, results(model.energy_and_forces, model, batch))
    assert [record.getMessage() for record in caplog.records] == [
        "dc.accelerate: the model is not compiled, which changes nothing but the speed: RuntimeError: no luck"
    ]
    assert not accelerator.is_compiled


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda energy, forces: (energy * (1 + 1e-5), forces), "the mean square of the energies differs by 2.0e-05"),
        (lambda energy, forces: (energy, forces * (1 - 1e-5)), "the mean square of the forces differs by 2.0e-05"),
        (lambda energy, forces: (energy, forces.detach().requires_grad_()), "the gradient of "),
    ],
)
def test_other_numbers_are_refused(
    compiled: Compiled, changed: Callable[..., Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A function that is wrong in one of the three, in place of the compiled one."""
    model = compiled[0]
    with pytest.raises(compiled_module.DifferenceError, match=message):
        compiled_module.check_equal(
            lambda *batch: changed(*model.energy_and_forces(*batch)), model, *toy_batch(OTHER_SIZES)
        )
    compiled_module.check_equal(model.energy_and_forces, model, *toy_batch(OTHER_SIZES))


def test_the_key_of_the_cache(compiled: Compiled) -> None:
    model = compiled[0]
    torch.manual_seed(1)
    assert cache_key(model) == cache_key(Toy())
    wider, double = Toy(), Toy().double()
    wider.out = torch.nn.Linear(8, 2)
    assert len({cache_key(each) for each in (model, wider, double)}) == 3
    assert dataclasses.is_dataclass(toy_batch((2, 2))[2])
