"""Measure how often training runs diverge, by model, labels, region and coefficient of IReLU, in short runs.

Run: ``OMP_NUM_THREADS=1 python benchmarks/stability.py DATA OUT``, where DATA is a folder of ethanol made by
``ocp-dc prepare``. Each run uses fairchem's main in this process, with the model's ``-stock`` config of configs/md17
and the ``dc:`` block given here; GemNet's scale factors are fitted for each case first, as its configs require. Earlier
runs in OUT are not repeated. Writes ``OUT/stability.csv`` and prints it as the table of docs/stability.md.

ocp_dc/training/stability.csv is such a file: `ocp-dc inspect` and every training run take their warnings from it.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import dataclasses
import io
import itertools
import json
import statistics
from pathlib import Path

import numpy as np

from ocp_dc.cli import main as ocp_dc
from ocp_dc.demo import config_path
from ocp_dc.fairchem1.train.transform import iterate_labels
from ocp_dc.training.stability import Measurement, table

from fairchem.core.datasets.lmdb_dataset import LmdbDataset  # isort: skip  # after the hooks, without which it cannot be imported

MODELS = ("schnet", "dimenetplusplus", "gemnet_t")
LABELS: dict[str, list[str]] = {"centred": [], "raw": ["center=none", "scale=1.0"]}
COEFFICIENTS: tuple[float | str, ...] = (0.25, 0.5, "unit_moment", 1.0)
CASES: tuple[tuple[str, float | str | None], ...] = (
    ("none", None),
    *itertools.product(("output", "full"), COEFFICIENTS),
)
SEEDS = (0, 1, 2)


def silent(command: list[str]) -> tuple[int, str]:
    """Run one ``ocp-dc`` command; return its exit status and its stderr."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = ocp_dc(command)
    return status, errors.getvalue()


def run(model: str, changes: list[str], name: str, seed: int, args: argparse.Namespace) -> float | None:
    """Train once; return the force error of the test set in eV/Å, or None if the run diverged."""
    record = args.out / f"{name}-s{seed}.json"
    if not record.exists():
        config = str(config_path(f"{model}-stock"))
        changes = changes + [f"--dataset.{split}.src={args.data / split}" for split in ("train", "val", "test")]
        changes += [f"--dataset.train.first_n={args.structures}", f"--optim.max_epochs={args.epochs}"]
        changes += ["--dataset.val.first_n=50", "--dataset.test.first_n=50"]
        if model == "gemnet_t":
            scales = args.out / f"{name}-scales.json"
            if not scales.exists():
                status, errors = silent(["fit-scales", config, "--out", str(scales), *changes])
                if "variance" in errors:  # the features overflow before the first step
                    record.write_text("null")
                    return None
                if status != 0:
                    raise SystemExit(errors)
            changes += [f"--model.scale_file={scales}"]
        identity = ["--run-dir", str(args.out), "--timestamp-id", f"{name}-s{seed}", "--seed", str(seed)]
        status, errors = silent(["main", "--mode", "train", "--config-yml", config, "--cpu", *identity, *changes])
        if status not in (0, 1):  # 1: the run diverged
            raise SystemExit(errors)
        test = args.out / "results" / f"{name}-s{seed}" / "test.json"
        record.write_text(json.dumps(json.loads(test.read_text())["forces_mae"] if status == 0 else None))
    error: float | None = json.loads(record.read_text())
    return error


def measure(
    model: str, labels: str, region: str, coefficient: float | str | None, args: argparse.Namespace
) -> Measurement:
    """Train one case with every seed and return the outcome."""
    dc = []
    if coefficient is not None:
        dc = ["activation.name=irelu", f"activation.coefficient={coefficient}", f"region={region}"]
    changes = [f"--model.dc.{change}" for change in dc]
    changes += [f"--dataset.train.transforms.label_rescaling.{change}" for change in LABELS[labels]]
    name = f"{model}-{labels}-{region}-{coefficient}"
    errors = [run(model, changes, name, seed, args) for seed in SEEDS]
    finite = [error for error in errors if error is not None]
    useful = [error for error in finite if error < args.mean_force]
    return Measurement(
        model=model,
        labels=labels,
        region=region,
        coefficient="" if coefficient is None else str(coefficient),
        seeds=len(SEEDS),
        diverged=len(errors) - len(finite),
        useless=len(finite) - len(useful),
        forces_mae=round(statistics.mean(useful), 3) if useful else None,
    )


def mean_absolute_force(data: Path) -> float:
    """Return the error of predicting forces of zero, in eV/Å."""
    return float(np.mean([np.abs(forces).mean() for _, _, forces in iterate_labels(LmdbDataset({"src": str(data)}))]))


def main() -> None:
    """Train the missing cases, write the file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--structures", type=int, default=200)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.mean_force = mean_absolute_force(args.data / "test")
    print(f"error of predicting zero forces: {args.mean_force:.3f} eV/Å")
    done = []
    with (args.out / "stability.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Measurement)], lineterminator="\n")
        writer.writeheader()
        for model, labels, (region, coefficient) in itertools.product(args.models, LABELS, CASES):
            done.append(measure(model, labels, region, coefficient, args))
            writer.writerow(dataclasses.asdict(done[-1]))
            file.flush()
    print(table(done))


if __name__ == "__main__":
    main()
