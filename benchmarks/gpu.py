"""Time training steps of SchNet, DimeNet++ and GemNet-dT on a GPU: ``off``, ``native`` and ``compile``, in turns.

    python benchmarks/gpu.py [--models schnet-dc ...] [--batches 32 256] [--structures ethanol slabs]

Steps a second and peak memory of a step (forward, forces, loss, backward, Adam) on one batch that is on the device
already, at the sizes of configs/md17; the graph is found in every step. ``slabs`` are those of the bundled sample,
three times as wide in both directions: about 120 atoms, with periodic boundaries. Where nequip is installed, its
compiled step is timed on the ethanols beside them.

Without a GPU this prints the kernel launches and host synchronizations of a step instead, counted on the CPU
(tests/helpers/operation_counts.py). ``--device cpu`` measures there all the same, to try this script.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import io
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ocp_dc.fairchem1  # isort: skip  # before fairchem, which cannot be imported without the hooks

import ase.io
import numpy as np
import torch
from acceleration import MODELS
from ase import Atoms
from fairchem.core.common.registry import registry
from measure import MIB, PeakMemory, table
from peers.steps import Batch, nequip
from training_cases import config_blocks

from ocp_dc.core.config_names import configs_folder
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.fairchem1.train import scale_factors
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.fit_scales import fit

CASES = ("off", "native", "compile")
WARM_UP = 3  # steps
SCALES = 20  # structures that scale factors are fitted on


def ethanol(count: int) -> list[Atoms]:
    with np.load(sample_path()) as sample:
        return [Atoms(sample["nuclear_charges"], positions) for positions in sample["coords"][:count]]


def slabs(count: int) -> list[Atoms]:
    frames = [atoms.repeat((3, 3, 1)) for atoms in ase.io.read(slab_sample_path(), ":")]
    return [frames[number % len(frames)] for number in range(count)]


STRUCTURES: dict[str, Callable[[int], list[Atoms]]] = {"ethanol": ethanol, "slabs": slabs}


def to_batch(structures: list[Atoms], device: str) -> Any:
    """Return a batch on the device, with zeros for labels."""
    frames = [atoms_frame(atoms, 0.0, np.zeros_like(atoms.positions)) for atoms in structures]
    return collate([to_data(frame, sid) for sid, frame in enumerate(frames)], otf_graph=True).to(device)


def models(config: str, cases: list[str], structures: list[Atoms], device: str) -> dict[str, torch.nn.Module]:
    """Return the model of a config for each case, with the same weights, and fitted scale factors if it has any."""
    block = config_blocks(configs_folder() / "md17" / f"{config}.yml")["model"]
    arguments = {**block, "use_pbc": bool(structures[0].pbc.any())}
    wrapper = registry.get_model_class(arguments.pop("name"))
    built: dict[str, Any] = {}
    torch.manual_seed(0)
    first = wrapper(**arguments | {"dc": {**block["dc"], "accelerate": "off"}}).to(device)
    if scale_factors.scale_factors(first):
        fit(first, [to_batch(structures[:SCALES], device)])
    for case in cases:
        built[case] = wrapper(**arguments | {"dc": {**block["dc"], "accelerate": case}}).to(device)
        built[case].load_state_dict(first.state_dict())
        if case == "compile":
            built[case].accelerator.enable()  # which a training run does at its start
    return built


def stepper(model: torch.nn.Module, batch: Any) -> Callable[[], None]:
    """Return a training step of a model on one batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        out = model(batch)
        (out["energy"].abs().mean() + 30 * out["forces"].abs().mean()).backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Return the mean time of a step."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - start) / steps


def started(make: Callable[[], Callable[[], None]]) -> Callable[[], None] | str:
    """Return a step after its warm-up, which compiles; the error if there is one, such as too little memory."""
    try:
        step = make()
        for _ in range(WARM_UP):
            step()
    except RuntimeError as error:  # also torch.OutOfMemoryError
        return str(error).splitlines()[0][:60]
    return step


def compare(
    makers: Mapping[str, Callable[[], Callable[[], None]]], device: torch.device, steps: int, repeats: int
) -> list[list[str]]:
    """Return a row for each case: steps a second, how many times as fast as ``off``, and the peak memory of a step."""
    cases = {name: started(make) for name, make in makers.items()}
    running = {name: step for name, step in cases.items() if not isinstance(step, str)}
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(repeats):
        for name, step in running.items():
            times[name].append(seconds(step, steps, device))
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = []
    for name, case in cases.items():
        if isinstance(case, str):
            rows.append([name, case, "-", "-"])
            continue
        memory = PeakMemory(device)
        memory.start()
        case()
        peak = memory.stop()
        faster = f"{medians['off'] / medians[name]:.2f}" if "off" in medians else "-"
        rows.append([name, f"{1 / medians[name]:.2f}", faster, f"{peak / MIB:.0f}"])
    return rows


def nequip_step(structures: list[Atoms], device: str) -> Callable[[], None]:
    """Return a compiled training step of nequip on structures of the same atoms."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        positions = np.stack([atoms.positions for atoms in structures])
        labels = {"energies": np.zeros(len(structures)), "forces": np.zeros_like(positions)}
        np.savez(file, numbers=structures[0].numbers, positions=positions, **labels)
        file.flush()
        batch = Batch(file.name, device)
    return nequip(batch, device, "compile")[1]


def measure(args: argparse.Namespace) -> None:
    """Print a table for each kind of structures and size of a batch."""
    device = torch.device(args.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"torch {torch.__version__}, {name}, median of {args.repeats}, in turns")
    for kind in args.structures:
        for count in args.batches:
            structures = STRUCTURES[kind](count)
            print(f"\n{kind}: {count} structures of about {len(structures[0])} atoms\n", flush=True)
            rows = []
            for config in args.models:
                built = models(config, args.cases, structures, args.device)
                # a batch each: off makes the positions of its batch require a gradient, which asks native for more
                makers = {
                    case: functools.partial(stepper, model, to_batch(structures, args.device))
                    for case, model in built.items()
                }
                rows += [[config, *row] for row in compare(makers, device, args.steps, args.repeats)]
            if kind == "ethanol" and importlib.util.find_spec("nequip"):
                peer = {"compile": functools.partial(nequip_step, structures, args.device)}
                rows += [["nequip", *row] for row in compare(peer, device, args.steps, args.repeats)]
            print(table(["model", "case", "steps/s", "times off", "memory, MiB"], rows), flush=True)


def count(args: argparse.Namespace) -> None:
    """Print the kernel launches and synchronizations of a step by phase, counted on the CPU."""
    sys.path.append(str(Path(__file__).parents[1]))
    from tests.helpers.operation_counts import PHASES, step_counts, totals

    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder, data = Path(made), Path(made, "data")
        prepare(sample_path(), data, format="rmd17", units="eV", train=40, val=10, test=10, progress=False)
        for config in args.models:
            for case in args.cases:
                with contextlib.redirect_stderr(io.StringIO()):  # progress bars
                    counts = step_counts(config, case, data, folder)
                for what, found in (("launches", counts.launches), ("syncs", counts.syncs)):
                    numbers = totals(found)
                    rows.append([config, case, what, *map(str, numbers.values()), str(sum(numbers.values()))])
    print("No GPU here: kernel launches and host synchronizations of a training step, counted on the CPU\n")
    print(table(["model", "case", "", *PHASES, "sum"], rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--structures", nargs="+", choices=STRUCTURES, default=list(STRUCTURES))
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 256])
    parser.add_argument("--steps", type=int, default=10, help="steps of a turn")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each case")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        logging.disable()
        count(args)
        return
    torch.set_num_threads(1)
    measure(args)


if __name__ == "__main__":
    assert ocp_dc.fairchem1  # registers the models
    main()
