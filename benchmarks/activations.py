"""Compare time and memory of IReLU, SiLU and the literal formula in training on energies and forces.

One step is y = act(linear(x)), e = sum(w y), f = de/dx with its graph, then backward through |e| + |f|: forward, force
and double backward. ``activation`` is the same without the linear layer. The activations take turns in one process; the
medians of their times and their memory are multiples of IReLU's, so a ratio above 1 means that IReLU is better.

    python benchmarks/activations.py [--repeats 15] [--threads 1] [--device cpu]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from ocp_dc.nn import IReLU

Activation = Callable[[torch.Tensor], torch.Tensor]

# rows x 128 features: atoms of 32 ethanols, their edges, and a large batch
ROWS = {"288 x 128": 288, "2304 x 128": 2304, "100000 x 128": 100_000}
FEATURES = 128
TARGET_SECONDS = 0.02  # a measurement repeats the step until it takes about this long


def literal(x: torch.Tensor) -> torch.Tensor:
    """Return 1/2 max(0, x)^2, written literally."""
    return torch.where(x <= 0, 0, 0.5 * x**2)


CONTESTANTS: dict[str, Activation] = {"irelu": IReLU(), "silu": nn.SiLU(), "literal": literal}


class Step:
    """One energy-and-force training step around an activation."""

    def __init__(self, rows: int, device: str, linear: bool) -> None:
        self.x = torch.randn(rows, FEATURES, device=device, requires_grad=True)
        self.layer = nn.Linear(FEATURES, FEATURES, device=device) if linear else nn.Identity()
        self.weight = torch.randn(FEATURES, device=device, requires_grad=True)

    def loss(self, act: Activation) -> torch.Tensor:
        energy = (act(self.layer(self.x)) * self.weight).sum()
        (forces,) = torch.autograd.grad(energy, self.x, create_graph=True)
        return energy.abs() + forces.abs().sum()

    def __call__(self, act: Activation) -> None:
        self.loss(act).backward()
        self.x.grad = self.weight.grad = None
        self.layer.zero_grad()


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(step: Step, act: Activation, count: int, device: str) -> float:
    """Return the mean time of ``count`` steps in seconds."""
    synchronize(device)
    start = time.perf_counter()
    for _ in range(count):
        step(act)
    synchronize(device)
    return (time.perf_counter() - start) / count


def peak_bytes(step: Step, act: Activation, device: str) -> int:
    """Return the peak memory of a step in bytes.

    On CUDA, this is the peak of allocated memory above that at the start. On the CPU, it is the size of the tensors
    saved for the backward pass, without x and with each storage counted once.
    """
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        start = torch.cuda.memory_allocated()
        step(act)
        return torch.cuda.max_memory_allocated() - start
    sizes: dict[int, int] = {}
    alive = []  # keep the tensors alive, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        alive.append(step.loss(act))
    return sum(sizes.values()) - step.x.untyped_storage().nbytes()


def compare(step: Step, repeats: int, device: str) -> tuple[dict[str, float], dict[str, int]]:
    """Return the median seconds and peak bytes of every activation, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for act in CONTESTANTS.values():
        step(act)
    count = max(1, round(TARGET_SECONDS / seconds(step, CONTESTANTS["silu"], 3, device)))
    for _ in range(repeats):
        for name, act in CONTESTANTS.items():
            times[name].append(seconds(step, act, count, device))
    memory = {name: peak_bytes(step, act, device) for name, act in CONTESTANTS.items()}
    return {name: statistics.median(values) for name, values in times.items()}, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="measurements of each contestant")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)

    print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), median of {args.repeats}, in turns")
    others = [name for name in CONTESTANTS if name != "irelu"]
    heads = [f"{measure} {name}/irelu" for measure in ("time", "memory") for name in others]
    print(f"{'size':14}{'step':20}{'irelu ms':>10}", *(f"{head:>20}" for head in heads))
    for size, rows in ROWS.items():
        for linear in (True, False):
            times, memory = compare(Step(rows, args.device, linear), args.repeats, args.device)
            ratios = [table[name] / table["irelu"] for table in (times, memory) for name in others]
            step_name = "linear + activation" if linear else "activation"
            print(f"{size:14}{step_name:20}{times['irelu'] * 1e3:10.3f}", *(f"{r:20.2f}" for r in ratios), flush=True)


if __name__ == "__main__":
    main()
