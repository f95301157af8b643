"""What taking BatchNorm out does to CGCNN and ForceNet: short runs with and without, several seeds, one table.

Run: ``OMP_NUM_THREADS=1 python benchmarks/denormalization.py DATA OUT`` with the folder that ``ocp-dc prepare`` made of
ethanol. Each run is one of fairchem's main in this process, with the model's ``-stock`` config of configs/md17 and the
changes of its arm. What was run before is taken from OUT. Prints the table of docs/denormalization.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
from pathlib import Path

from ocp_dc.cli import main as ocp_dc
from ocp_dc.demo import config_path

CENTRED = "dataset.train.transforms.label_rescaling.scale=1.0"  # eV: the configs' centre alone
RESCALED = "dataset.train.transforms.label_rescaling.scale=forces_rms"
DENORMALIZED = "model.dc.denormalize=batchnorm"
IRELU = ("model.dc.activation.name=irelu", "model.dc.activation.coefficient=0.25")
REGIONS = {"cgcnn": "model.dc.region=['^fcs[.]3$']", "forcenet": "model.dc.region=output"}  # those of the -dc configs
ARMS: dict[str, tuple[str, ...]] = {
    "original": (CENTRED,),
    "denormalized": (CENTRED, DENORMALIZED),
    "denormalized + label rescaling": (RESCALED, DENORMALIZED),
    "denormalized + label rescaling + fitted gain": (RESCALED, DENORMALIZED, "model.dc.norm_gain=fitted"),
    "denormalized + label rescaling + IReLU": (RESCALED, DENORMALIZED, *IRELU),
}
SEEDS = (0, 1, 2)


def silent(command: list[str]) -> tuple[int, str]:
    """Run one ``ocp-dc`` command; return its exit status and what it said on stderr."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = ocp_dc(command)
    return status, errors.getvalue()


def run(model: str, arm: str, seed: int, args: argparse.Namespace) -> tuple[float, float] | None:
    """Train once; return energy (meV) and force (meV/Å) MAE of the test set, None where a value was not finite."""
    name = f"{model}-{arm.replace(' + ', '-').replace(' ', '-')}-e{args.epochs}-s{seed}"
    record = args.out / f"{name}.json"
    if not record.exists():
        changes = [*ARMS[arm], *([REGIONS[model]] if IRELU[0] in ARMS[arm] else [])]
        changes += [f"dataset.{split}.src={args.data / split}" for split in ("train", "val", "test")]
        changes += [f"optim.max_epochs={args.epochs}"]
        config = ["--config-yml", str(config_path(f"{model}-stock")), *(f"--{change}" for change in changes)]
        identity = ["--run-dir", str(args.out), "--timestamp-id", name, "--seed", str(seed)]
        status, errors = silent(["main", "--mode", "train", "--cpu", *identity, *config])
        if status not in (0, 1):  # 1 is a training that diverged
            raise SystemExit(errors)
        test = args.out / "results" / name / "test.json"
        record.write_text(test.read_text() if status == 0 else "null")
    metrics = json.loads(record.read_text())
    return None if metrics is None else (1000 * metrics["energy_mae"], 1000 * metrics["forces_mae"])


def row(model: str, arm: str, errors: list[tuple[float, float] | None]) -> str:
    """Return a line of the table: mean ± standard deviation over the seeds that stayed finite."""
    finite = [pair for pair in errors if pair is not None]
    cells = [
        f"{statistics.mean(column):.0f} ± {statistics.stdev(column):.0f}" if len(finite) > 1 else "-"
        for column in zip(*finite, strict=True)
    ]
    return " | ".join([f"| {model}", arm, *(cells or ["-", "-"]), f"{len(errors) - len(finite)} of {len(errors)} |"])


def main() -> None:
    """Train what is missing, seed by seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(REGIONS), choices=REGIONS)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cases = [(model, arm) for model in args.models for arm in ARMS]
    errors: dict[tuple[str, str], list[tuple[float, float] | None]] = {case: [] for case in cases}
    for seed in SEEDS:
        for case in cases:
            errors[case].append(run(*case, seed, args))
    print("| model | arm | energy MAE, meV | force MAE, meV/Å | not finite |", "|---|---|---|---|---|", sep="\n")
    for case in cases:
        print(row(*case, errors[case]))


if __name__ == "__main__":
    main()
