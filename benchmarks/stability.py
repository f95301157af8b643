"""How often a training diverges, by model, region and coefficient of IReLU: short runs, several seeds.

Run: ``OMP_NUM_THREADS=1 python benchmarks/stability.py DATA OUT`` with the folder that ``ocp-dc prepare`` made. Each
run is one of fairchem's main in this process, with the model's ``-stock`` config of configs/md17 and the ``dc:`` block
given here. A run has diverged when the trainer stops it at a value that is not finite, or when it ends with worse
forces than none at all (an error above the mean absolute force component). Prints a Markdown table; what was run before
is taken from OUT.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
from pathlib import Path

import numpy as np

from ocp_dc.cli import main as ocp_dc
from ocp_dc.demo import config_path

MODELS = ("schnet", "dimenetplusplus", "gemnet_t")
REGIONS = ("output", "full")
COEFFICIENTS: tuple[float | str, ...] = (0.25, 0.5, "unit_moment", 1.0)
SEEDS = (0, 1, 2)


def run(model: str, dc: list[str], name: str, seed: int, args: argparse.Namespace) -> dict[str, float | str]:
    """Train once and return how it ended: finished or diverged, and the last errors in eV and eV/Å."""
    record = args.out / f"{name}-s{seed}.json"
    if record.exists():
        return json.loads(record.read_text())
    sources = [f"--dataset.{split}.src={args.data / split}" for split in ("train", "val", "test")]
    command = [
        *("main", "--mode", "train", "--config-yml", str(config_path(f"{model}-stock")), "--cpu"),
        *("--run-dir", str(args.out), "--timestamp-id", f"{name}-s{seed}", "--seed", str(seed), *dc, *sources),
        *(f"--optim.max_epochs={args.epochs}", f"--dataset.train.first_n={args.structures}"),
        *("--dataset.val.first_n=50", "--dataset.test.first_n=50"),
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = ocp_dc(command)
    if status not in (0, 1):
        raise SystemExit(errors.getvalue())
    result: dict[str, float | str] = {"ended": "diverged" if status else "finished", "forces_mae": float("nan")}
    if status == 0:
        test = json.loads((args.out / "results" / f"{name}-s{seed}" / "test.json").read_text())
        result |= {"energy_mae": test["energy_mae"], "forces_mae": test["forces_mae"]}
        if test["forces_mae"] > args.mean_force:
            result["ended"] = "diverged"
    record.write_text(json.dumps(result))
    return result


def mean_absolute_force(data: Path) -> float:
    """Return the error of predicting no forces at all, in eV/Å."""
    from ocp_dc.fairchem1.transform import iterate_labels  # imports fairchem, with the hooks in force

    from fairchem.core.datasets.lmdb_dataset import LmdbDataset  # isort: skip

    return float(np.mean([np.abs(forces).mean() for _, _, forces in iterate_labels(LmdbDataset({"src": str(data)}))]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--structures", type=int, default=200)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.mean_force = mean_absolute_force(args.data / "val")
    budget = f"{args.epochs} epochs on {args.structures} structures, seeds {SEEDS}"
    print(f"{budget}; error of no forces at all: {args.mean_force:.3f} eV/Å")
    print("| model | region | coefficient | diverged seeds | force MAE of the others, eV/Å |\n|---|---|---|---|---|")
    for model in args.models:
        cases: list[tuple[str, float | str, list[str]]] = [("none", "-", [])]
        for region in REGIONS:
            for coefficient in COEFFICIENTS:
                name, value = "--model.dc.activation.name=irelu", f"--model.dc.activation.coefficient={coefficient}"
                cases.append((region, coefficient, [name, value, f"--model.dc.region={region}"]))
        for region, coefficient, dc in cases:
            results = [run(model, dc, f"{model}-{region}-{coefficient}", seed, args) for seed in SEEDS]
            finished = [float(r["forces_mae"]) for r in results if r["ended"] == "finished"]
            mean = f"{statistics.mean(finished):.3f}" if finished else "-"
            print(
                f"| {model} | {region} | {coefficient} | {len(SEEDS) - len(finished)} of {len(SEEDS)} | {mean} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
