"""Compare stock fairchem and the values of ``dc.accelerate``: training, validation, molecular dynamics and memory.

    python benchmarks/acceleration.py [--models schnet-dc ...] [--cases stock off native compile] [--batch 20]

Ethanol of the bundled sample, configs of configs/md17, one thread. ``stock`` is fairchem's main with its own trainer,
model, data set and calculator, and only ocp_dc's fallbacks for compiled packages. Each case is a process of its own,
and the cases take turns. Times are CPU time, in which other load on the machine shows least.

| column | what |
|---|---|
| start, s | wall-clock time to the end of the first training step: imports, data, compilation |
| step, ms | a step of the whole training loop, from reading the batch to the checks after the optimizer's update |
| validation, ms | a validation on 100 structures |
| MD step, ms | a step of VelocityVerlet with the ASE calculator of a checkpoint |
| memory, MiB | the peak of the memory that torch allocates in a training step |

The numbers in brackets are multiples of ``off`` and of ``stock``.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from measure import MIB, CaseError, Process, in_turns, single_thread, table
from training_cases import serve_dynamics, serve_training, training_arguments

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path

MODELS = ("schnet-dc", "gemnet_t-dc", "dimenetplusplus-dc", "gemnet_oc-dc")
CASES = ("stock", "off", "native", "compile")
SAID = re.compile(r"accelerat|compil", re.IGNORECASE)  # messages of a run that belong under the table
TRAIN, VALIDATION = 200, 100  # structures; few, so that most steps are after the first epoch, which finds the edges
VALIDATIONS = 3  # turns

Values = dict[str, dict[str, float]]  # column -> case -> value


def fit_scales(config: str, data: Path, folder: Path) -> list[str]:
    """Return the override for fitted scale factors, for a GemNet."""
    if not config.startswith("gemnet"):
        return []
    out = folder / f"{config}-scales.json"
    command = ["fit-scales", f"md17/{config}", "--out", str(out), f"--dataset.train.src={data / 'train'}"]
    subprocess.run([sys.executable, "-m", "ocp_dc", *command], check=True, capture_output=True)
    return [f"--model.scale_file={out}"]


def start(config: str, cases: list[str], data: Path, folder: Path, overrides: list[str]) -> dict[str, Process]:
    """Start a training run for each case; a case that fails is printed and left out."""
    changes = {False: [*overrides, *fit_scales(config, data, folder)]}
    stock = config.replace("-dc", "-stock")
    changes[True] = [*overrides, *(fit_scales(stock, data, folder) if "stock" in cases else [])]
    running = {}
    for case in cases:
        is_stock = case == "stock"
        arguments = training_arguments(stock if is_stock else config, case, data, folder, changes[is_stock])
        with reported(f"{config}, {case}"):
            running[case] = Process(serve_training, folder / f"{config}-{case}.log", case, arguments)
    return running


@contextlib.contextmanager
def reported(name: str) -> Iterator[None]:
    """Print the error of a case within the block, and go on."""
    try:
        yield
    except CaseError as error:
        print(f"{name}: failed: {error}", flush=True)


def dynamics(config: str, cases: dict[str, Process], folder: Path, steps: int, repeats: int) -> dict[str, float]:
    """Return the time of a step of molecular dynamics with a checkpoint of each case, in s."""
    with np.load(sample_path()) as sample:
        structure = {"numbers": sample["nuclear_charges"], "positions": sample["coords"][0]}
    running = {}
    for case, process in cases.items():
        with reported(f"{config}, {case}, dynamics"):
            log = folder / f"{config}-{case}-dynamics.log"
            running[case] = Process(serve_dynamics, log, case, process.ask("save"), structure)
    times = in_turns(running, repeats, "steps", steps)
    for process in running.values():
        process.close()
    return times


def compare(config: str, args: argparse.Namespace, data: Path, folder: Path) -> tuple[Values, list[str]]:
    """Return the values of every column for a config, and what the runs said about their acceleration."""
    overrides = [f"--optim.batch_size={args.batch}"]
    running = start(config, args.cases, data, folder, overrides)
    values: Values = {"start, s": {case: process.ready_seconds for case, process in running.items()}}
    steps = in_turns(running, args.repeats, "steps", args.steps)
    validations = in_turns(running, VALIDATIONS, "validate")
    values["step, ms"] = {case: 1e3 * each for case, each in steps.items()}
    values["validation, ms"] = {case: 1e3 * each for case, each in validations.items()}
    moving = dynamics(config, running, folder, args.md_steps, args.repeats)
    values["MD step, ms"] = {case: 1e3 * each for case, each in moving.items()}
    values["memory, MiB"] = {case: each / MIB for case, each in in_turns(running, 1, "memory").items()}
    for process in running.values():
        process.close()
    said = [f"{case}: {line}" for case, process in running.items() for line in messages(process.log)]
    return values, said


def messages(log: Path) -> list[str]:
    """Return the messages of a log about acceleration, without the config that a run prints."""
    lines = log.read_text(errors="replace").splitlines()
    return [line.strip() for line in lines if SAID.search(line) and re.search(r"INFO|WARN|rror", line)]


def rows(values: Values, cases: list[str]) -> list[list[str]]:
    """Return a row for each case: each value, with its multiples of ``off`` and ``stock`` in brackets."""
    found = []
    for case in cases:
        row = [case]
        for column, of_case in values.items():
            cell = f"{of_case[case]:.1f}" if case in of_case else "-"
            if case in of_case and column != "start, s":
                ratios = [f"{of_case[case] / of_case[other]:.2f}" for other in ("off", "stock") if other in of_case]
                cell += f" ({', '.join(ratios)})" if ratios else ""
            row.append(cell)
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--batch", type=int, default=20, help="structures of a training batch")
    parser.add_argument("--steps", type=int, default=10, help="training steps of a turn")
    parser.add_argument("--md-steps", type=int, default=20, help="steps of molecular dynamics of a turn")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each case")
    args = parser.parse_args()
    single_thread()
    print(f"torch {version('torch')}, {platform.machine()}, one thread, {args.batch} ethanols a batch")
    with tempfile.TemporaryDirectory() as made:
        folder, data = Path(made), Path(made, "data")
        prepare(sample_path(), data, format="rmd17", units="eV", train=TRAIN, val=VALIDATION, test=0, progress=False)
        for config in args.models:
            values, said = compare(config, args, data, folder)
            print(f"\n{config}: ms (of off, of stock)\n")
            print(table(["case", *values], rows(values, args.cases)), *said, sep="\n", flush=True)


if __name__ == "__main__":
    main()
