"""Count kernel launches and host synchronizations of training steps, as a GPU would have them, on a CPU.

Every aten operation that computes something counts as a launch; views and allocations do not. An operation whose output
is read by the host, or whose shape depends on values, counts as a synchronization. Both are close to the truth and not
equal to it: some operations launch more than one kernel, and copies of labels to the device are invisible on a CPU.
Each call of a kernel that torch's inductor generated counts as a launch too.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ocp_dc.cli import main
from ocp_dc.fairchem1.train import loop
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.training.listeners import Listener, Listeners

PHASES = ("forward", "forces", "loss", "backward", "optimizer", "rest")
COLLATE = "collate"  # on the CPU, whatever the device of the model

# no kernel: allocations, and views that the schema does not mark
FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view", "_reshape_alias"}
FREE |= {"_record_function_enter_new", "_record_function_exit"}  # names for the profiler
# the host waits for a value: the result itself, or the shape of the result
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive"}
WAITING |= {"bincount", "equal", "repeat_interleave"}
GENERATED = "generated kernel"  # one of torch's inductor
# on tensors of the CPU these make no aten operation
HOST_READS = {"tolist", "numpy", "cpu", "__array__"}


class OperationCounts(TorchDispatchMode):
    """Count the operations within the block, by :attr:`phase`; operations of the autograd engine are counted apart.

    Attributes:
        phase: the phase that operations are counted in; None if nothing is counted.
        launches: the names of the operations that launch a kernel, by phase.
        syncs: the names of the operations that the host waits for, by phase.
    """

    def __init__(self) -> None:
        super().__init__()
        self.phase: str | None = COLLATE
        self.reset()
        self._reads = _HostReads(self)

    def reset(self) -> None:
        """Start from zero."""
        self.launches: dict[str, Counter[str]] = {}
        self.syncs: dict[str, Counter[str]] = {}

    def __enter__(self) -> OperationCounts:
        self._reads.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._reads.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if self.phase is None or (self.phase == "optimizer" and _only_numbers(args)):
            return func(*args, **(kwargs or {}))  # a step counter of the optimizer is always on the CPU
        if _waits(func, name, args, kwargs or {}):
            self.add(self.syncs, name)
        if name != "_local_scalar_dense" and name not in FREE and not _is_view(func):
            self.add(self.launches, name)
        return func(*args, **(kwargs or {}))

    def add(self, table: dict[str, Counter[str]], name: str) -> None:
        """Count an operation in the phase in progress."""
        phase = self.phase or COLLATE
        if torch._C._current_graph_task_id() != -1:  # within the autograd engine
            phase = "forces" if phase == "forward" else "backward"
        table.setdefault(phase, Counter())[name] += 1


class _HostReads(TorchFunctionMode):
    """Count the reads of whole tensors, which the dispatcher does not see on a CPU."""

    def __init__(self, counts: OperationCounts) -> None:
        super().__init__()
        self._counts = counts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._counts.phase is not None and getattr(func, "__name__", "") in HOST_READS:
            self._counts.add(self._counts.syncs, func.__name__)
        return func(*args, **(kwargs or {}))


def _waits(func: Any, name: str, args: Any, kwargs: Mapping[str, Any]) -> bool:
    if name == "repeat_interleave":
        return kwargs.get("output_size") is None
    if name in ("index", "index_put", "index_put_"):  # a mask is turned into indices, whose number the host must know
        return any(index is not None and index.dtype == torch.bool for index in args[1])
    return name in WAITING


def _only_numbers(args: Any) -> bool:
    """Return whether every tensor among the arguments of an operation is a single number."""
    tensors = [leaf for leaf in torch.utils._pytree.tree_leaves(args) if isinstance(leaf, torch.Tensor)]
    return bool(tensors) and all(tensor.dim() == 0 for tensor in tensors)


def _is_view(func: Any) -> bool:
    """Return whether an operation only returns aliases of its inputs."""
    aliases = [output.alias_info for output in func._schema.returns]
    return bool(aliases) and all(alias is not None and not alias.is_write for alias in aliases)


@contextlib.contextmanager
def _generated_kernels(counts: OperationCounts) -> Iterator[None]:
    """Count the calls of kernels that are generated and loaded within the block."""
    from torch._inductor.async_compile import AsyncCompile
    from torch._inductor.codecache import LambdaFuture

    def counted(kernel: Any) -> Any:
        def call(*args: Any) -> Any:
            if counts.phase is not None:
                counts.add(counts.launches, GENERATED)
            return kernel(*args)

        return call

    load = AsyncCompile.cpp_pybinding

    def counted_load(self: Any, argtypes: list[str], source_code: str) -> Any:
        kernel = load(self, argtypes, source_code)
        return LambdaFuture(lambda: counted(kernel.result() if hasattr(kernel, "result") else kernel))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncCompile, "cpp_pybinding", counted_load)
        yield


def step_counts(name: str, accelerate: str, data: Path, folder: Path, overrides: Sequence[str] = ()) -> OperationCounts:
    """Return the counts of a training step of ``ocp-dc main``, the third, for the first ones also fill caches.

    Args:
        name: a config of configs/md17. Counts depend neither on the size of the batch nor on widths.
        accelerate: the value of ``dc.accelerate``.
        data: a folder of ``ocp-dc prepare`` with at least 30 training structures.
        folder: a folder for the run.
        overrides: further arguments, such as ``--model.num_interactions=2``.
    """
    counts = OperationCounts()
    run = f"{name}-{accelerate}"
    arguments = ["--mode", "train", "--cpu", "--config-yml", f"md17/{name}", "--run-dir", str(folder)]
    arguments += ["--timestamp-id", run, "--print-every", "1000", f"--model.dc.accelerate={accelerate}"]
    arguments += [f"--dataset.{split}.src={data / split}" for split in ("train", "val", "test")]
    arguments += ["--optim.batch_size=10", "--optim.max_epochs=1", *overrides]
    with pytest.MonkeyPatch.context() as patch, _optimizer_phase(counts), _generated_kernels(counts), counts:
        _mark_phases(patch, counts, steps=3)
        assert main(["main", *arguments]) == 0
    return counts


@contextlib.contextmanager
def _optimizer_phase(counts: OperationCounts) -> Iterator[None]:
    """Count the optimizer's operations in a phase, within the block."""

    def begin(*_: Any) -> None:
        counts.phase = counts.phase and "optimizer"

    def end(*_: Any) -> None:
        counts.phase = counts.phase and "rest"

    handles = register_optimizer_step_pre_hook(begin), register_optimizer_step_post_hook(end)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _mark_phases(patch: pytest.MonkeyPatch, counts: OperationCounts, steps: int) -> None:
    """Set the phase at the forward pass and at the end of each step, and stop counting after ``steps`` of them."""
    forward, make_listeners = DCTrainer._forward, loop.run_listeners

    def marked_forward(trainer: DCTrainer, batch: Any) -> Any:
        if counts.phase is None:
            return forward(trainer, batch)
        counts.phase = "forward"
        out = forward(trainer, batch)
        counts.phase = "loss"
        return out

    class StepEnd(Listener):
        def step(self, state: Any, losses: Any) -> None:
            if state.step < steps:
                counts.reset()
            counts.phase = COLLATE if state.step < steps else None

    patch.setattr(DCTrainer, "_forward", marked_forward)
    patch.setattr(loop, "run_listeners", lambda *arguments: Listeners([make_listeners(*arguments), StepEnd()]))


def totals(table: Mapping[str, Counter[str]]) -> dict[str, int]:
    """Return the number of operations of each phase of a step."""
    return {phase: table.get(phase, Counter()).total() for phase in PHASES}
