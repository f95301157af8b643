"""Time a training step from 9 to 1,000 atoms, for batches of 8 to 256 structures, and on two ranks.

    python benchmarks/scaling.py [--models schnet-dc ...] [--cases off native compile] [--parts atoms batch ranks]

``atoms``: one periodic box of ethanol a batch, near the density of the liquid, so that atoms have as many neighbors in
every box; time per atom, and the exponent of the time over the three largest boxes (1 is linear). ``batch``: ethanols
of the bundled sample; time per structure. ``ranks``: 20 structures a step on one rank, and 10 on each of two. Times are
of the whole training loop, one thread a rank: CPU time with the cases in turns for ``atoms`` and ``batch``, wall-clock
time for ``ranks``, which need an idle core each.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from acceleration import MODELS, fit_scales, reported
from measure import Process, in_turns, single_thread, table
from training_cases import serve_training, training_arguments

from ocp_dc.data.frames import Frame
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data, write_lmdb
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path

ATOMS_OF_ETHANOL = 9
MOLECULES = (1, 4, 11, 36, 111)  # of a box
BATCHES = (8, 32, 128, 256)
SPACING = 5.0  # Å, of the molecules in a box
BOXES = 4  # structures of a data set of boxes
RANK_STEPS = 50


def box(molecules: int, first: int) -> Frame:
    """Return a periodic box of ethanol, of geometries of the sample from ``first`` on, with their summed labels."""
    with np.load(sample_path()) as sample:
        chosen = np.arange(first, first + molecules) % len(sample["coords"])
        positions, forces = sample["coords"][chosen], sample["forces"][chosen]  # [M, 9, 3]
        numbers, energy = sample["nuclear_charges"], float(sample["energies"][chosen].sum())
    side = math.ceil(molecules ** (1 / 3))
    layers = math.ceil(molecules / side**2)
    sites = np.stack(np.meshgrid(*[np.arange(side)] * 2, np.arange(layers), indexing="ij"), axis=-1).reshape(-1, 3)
    sites = sites[np.lexsort(sites.T)][:molecules]  # layer by layer
    centered = positions - positions.mean(axis=1, keepdims=True)
    atoms = ATOMS_OF_ETHANOL * molecules
    return Frame(
        numbers=np.tile(numbers, molecules).astype(np.int64),
        positions=(centered + SPACING * (sites[:, None] + 0.5)).reshape(atoms, 3),
        energy=energy,
        forces=forces.reshape(atoms, 3),
        cell=SPACING * np.diag([side, side, layers]).astype(float),
        pbc=np.ones(3, dtype=bool),
        fixed=np.zeros(atoms, dtype=np.int64),
        tags=np.zeros(atoms, dtype=np.int64),
    )


def write_boxes(molecules: int, out: Path) -> None:
    """Write training and validation sets of boxes."""
    for split in ("train", "val"):
        (out / split).mkdir(parents=True)
        frames = (to_data(box(molecules, number * molecules), sid=number) for number in range(BOXES))
        write_lmdb(out / split / "data.lmdb", frames)


def step_times(
    config: str, data: Path, folder: Path, overrides: list[str], args: argparse.Namespace
) -> dict[str, float]:
    """Return the time of a training step of each case in ms; a case that fails is printed and left out."""
    folder.mkdir()
    running = {}
    for case in args.cases:
        arguments = training_arguments(config, case, data, folder, overrides)
        with reported(f"{config}, {case}"):
            running[case] = Process(serve_training, folder / f"{case}.log", case, arguments)
    times = in_turns(running, args.repeats, "steps", args.steps)
    for process in running.values():
        process.close()
    return {case: 1e3 * seconds for case, seconds in times.items()}


def exponent(sizes: list[int], times: list[float]) -> float:
    """Return the slope of log time over log size, of the three largest sizes."""
    return float(np.polyfit(np.log(sizes[-3:]), np.log(times[-3:]), 1)[0])


def atoms_part(config: str, data: Path, folder: Path, args: argparse.Namespace) -> None:
    """Print the time per atom for each size of a box."""
    scales = fit_scales(config, data, folder)
    found: dict[str, list[float]] = {case: [] for case in args.cases}
    sizes = [ATOMS_OF_ETHANOL * molecules for molecules in args.molecules]
    for molecules in args.molecules:
        boxes = folder / f"boxes-{molecules}"
        write_boxes(molecules, boxes)
        overrides = ["--model.use_pbc=true", "--optim.batch_size=1", *scales]
        times = step_times(config, boxes, folder / f"{config}-{molecules}", overrides, args)
        for case in args.cases:
            found[case].append(times.get(case, math.nan))
    rows = [
        [
            case,
            *(f"{time / size:.3f}" for time, size in zip(times, sizes, strict=True)),
            f"{exponent(sizes, times):.2f}",
        ]
        for case, times in found.items()
    ]
    print(f"\n{config}: ms per atom, by the number of atoms of a periodic box\n")
    print(table(["case", *map(str, sizes), "exponent"], rows), flush=True)


def batch_part(config: str, data: Path, folder: Path, args: argparse.Namespace) -> None:
    """Print the time per structure for each size of a batch."""
    scales = fit_scales(config, data, folder)
    rows = [[case] for case in args.cases]
    for batch in args.batches:
        overrides = [f"--optim.batch_size={batch}", *scales]
        times = step_times(config, data, folder / f"{config}-{batch}", overrides, args)
        for row in rows:
            row.append(f"{times[row[0]] / batch:.2f}" if row[0] in times else "-")
    print(f"\n{config}: ms per structure, by the structures of a batch\n")
    print(table(["case", *map(str, args.batches)], rows), flush=True)


def rank_seconds(config: str, case: str, ranks: int, data: Path, folder: Path, scales: list[str], run: str) -> float:
    """Return the wall-clock seconds of a step of ``ocp-dc main`` on some ranks, after a warm-up of as many steps."""
    command = [sys.executable, "-m", "ocp_dc", "main", "--mode", "train", "--cpu", "--config-yml", f"md17/{config}"]
    command += ["--run-dir", str(folder), "--timestamp-id", run, "--num-gpus", str(ranks), "--seed", "0"]
    command += [f"--dataset.{split}.src={data / split}" for split in ("train", "val")] + ["--dataset.test=null"]
    command += [f"--model.dc.accelerate={case}", f"--optim.batch_size={20 // ranks}", *scales]
    command += [f"--optim.eval_every={RANK_STEPS}", "--optim.max_epochs=2"]
    subprocess.run(command, check=True, capture_output=True)
    with (folder / "results" / run / "validation.csv").open() as lines:
        return float(list(csv.DictReader(lines))[-1]["step_time [s]"])


def ranks_part(config: str, data: Path, folder: Path, args: argparse.Namespace) -> None:
    """Print the time of a step on one and on two ranks."""
    scales = fit_scales(config, data, folder)
    rows = []
    for case in args.cases:
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for repeat in range(args.rank_repeats):
            for ranks, values in seconds.items():
                run = f"{config}-{case}-{ranks}-{repeat}"
                values.append(rank_seconds(config, case, ranks, data, folder, scales, run))
        one, two = (1e3 * statistics.median(values) for values in seconds.values())
        rows.append([case, f"{one:.1f}", f"{two:.1f}", f"{one / two:.2f}"])
    print(f"\n{config}: ms of a step on 20 structures, and how many times two ranks are faster\n")
    print(table(["case", "one rank", "two ranks", "faster"], rows), flush=True)


PARTS = {"atoms": atoms_part, "batch": batch_part, "ranks": ranks_part}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument(
        "--cases", nargs="+", choices=("off", "native", "compile"), default=["off", "native", "compile"]
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--molecules", nargs="+", type=int, default=list(MOLECULES), help="of each box")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--steps", type=int, default=3, help="training steps of a turn")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each case")
    parser.add_argument("--rank-repeats", type=int, default=3, help="runs on one and on two ranks")
    args = parser.parse_args()
    single_thread()
    for part in args.parts:
        for config in args.models:
            with tempfile.TemporaryDirectory() as made:
                folder, data = Path(made), Path(made, "data")
                prepare(sample_path(), data, format="rmd17", units="eV", train=1000, val=20, test=0, progress=False)
                PARTS[part](config, data, folder, args)


if __name__ == "__main__":
    main()
