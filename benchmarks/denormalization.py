"""Measure the effect of removing norms: errors of CGCNN and ForceNet, and 200 steps of every model with norms.

Run: ``OMP_NUM_THREADS=1 python benchmarks/denormalization.py DATA OUT`` for the errors, where DATA is a folder of
ethanol made by ``ocp-dc prepare``; ``... OUT --steps 200`` for the steps, on the bundled samples. Each run uses
fairchem's main in this process, with the model's ``-stock`` config of configs/md17 and the changes of its arm. Earlier
runs in OUT are not repeated. Prints the tables of docs/denormalization.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import yaml

from ocp_dc.cli import main as ocp_dc
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.demo import config_path

CENTERED = "dataset.train.transforms.label_rescaling.scale=1.0"  # eV; only the center of the configs is used
RESCALED = "dataset.train.transforms.label_rescaling.scale=forces_rms"
DENORMALIZED = "model.dc.denormalize=batchnorm"
GAIN = "model.dc.norm_gain=fitted"
IRELU = ("model.dc.activation.name=irelu", "model.dc.activation.coefficient=0.25")
REGIONS = {"cgcnn": "model.dc.region=['^fcs[.]3$']", "forcenet": "model.dc.region=output"}  # those of the -dc configs
ARMS: dict[str, tuple[str, ...]] = {
    "original": (CENTERED,),
    "denormalized": (CENTERED, DENORMALIZED),
    "denormalized + label rescaling": (RESCALED, DENORMALIZED),
    "denormalized + label rescaling + fitted gain": (RESCALED, DENORMALIZED, GAIN),
    "denormalized + label rescaling + IReLU": (RESCALED, DENORMALIZED, *IRELU),
}
SEEDS = (0, 1, 2)

SMALL = {  # small sizes for the 200 steps, which then take seconds
    "cgcnn": ("atom_embedding_size=32", "fc_feat_size=32", "num_gaussians=24", "cutoff=5.0"),
    "forcenet": ("hidden_channels=32", "num_freqs=16", "decoder_hidden_channels=32", "cutoff=5.0"),
    "painn": ("hidden_channels=32", "num_rbf=16", "cutoff=5.0", "dc.force_gradients=exact"),
    "esen": ("sphere_channels=8", "hidden_channels=8", "edge_channels=8", "num_distance_basis=16", "cutoff=5.0"),
    "equiformer_v2": ("dc.allow_direct=True",),
}
EQUIFORMER_V2 = {  # the model block, for configs/md17 has none
    "name": "dc_equiformer_v2",
    "num_layers": 2,
    "sphere_channels": 8,
    "attn_hidden_channels": 8,
    "num_heads": 2,
    "attn_alpha_channels": 4,
    "attn_value_channels": 4,
    "ffn_hidden_channels": 8,
    "lmax_list": [2],
    "mmax_list": [2],
    "edge_channels": 8,
    "max_radius": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}
NORMS = {  # settings of dc.denormalize for each model
    "cgcnn": ("none", "batchnorm", "layernorm", "all"),
    "forcenet": ("none", "batchnorm"),
    "painn": ("none", "layernorm"),
    "esen": ("none", "all"),
    "equiformer_v2": ("none", "all"),
}
SAMPLES = {"molecule": (sample_path(), "rmd17", False), "slabs": (slab_sample_path(), "ase", True)}
TRAIN, BATCH = 100, 10  # structures; an epoch has ten steps


def train(config: Path, name: str, changes: Sequence[str], data: Path, seed: int, out: Path) -> dict[str, float] | str:
    """Train once; return the metrics of the test set, or, if the run diverged, a text with the step and the value."""
    record = out / f"{name}.json"
    if not record.exists():
        command = ["main", "--mode", "train", "--cpu", "--config-yml", str(config)]
        command += ["--run-dir", str(out), "--timestamp-id", name, "--seed", str(seed)]
        command += [f"--dataset.{split}.src={data / split}" for split in ("train", "val", "test")]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
            status = ocp_dc([*command, *(f"--{change}" for change in changes)])
        diverged = re.search(r"diverged at (step \d+: .*?) is not finite", errors.getvalue())
        if status != 0 and diverged is None:
            raise SystemExit(errors.getvalue())
        test = out / "results" / name / "test.json"
        record.write_text(test.read_text() if diverged is None else json.dumps(diverged[1]))
    result: dict[str, float] | str = json.loads(record.read_text())
    return result


def study_row(model: str, arm: str, results: list[dict[str, float] | str]) -> str:
    """Return a row of the table: mean ± standard deviation over the seeds that did not diverge."""
    finite = [metrics for metrics in results if not isinstance(metrics, str)]
    cells = ["-", "-"]
    if len(finite) > 1:
        columns = [[1000 * metrics[key] for metrics in finite] for key in ("energy_mae", "forces_mae")]
        cells = [f"{statistics.mean(column):.0f} ± {statistics.stdev(column):.0f}" for column in columns]
    return " | ".join([f"| {model}", arm, *cells, f"{len(results) - len(finite)} of {len(results)} |"])


def study(data: Path, out: Path, models: Sequence[str], epochs: int) -> None:
    """Train each model in each arm with each seed, and print the table."""
    cases = [(model, arm) for model in models for arm in ARMS]
    results: dict[tuple[str, str], list[dict[str, float] | str]] = {case: [] for case in cases}
    for seed in SEEDS:
        for model, arm in cases:
            name = f"{model}-{arm.replace(' + ', '-').replace(' ', '-')}-e{epochs}-s{seed}"
            changes = [*ARMS[arm], *([REGIONS[model]] if IRELU[0] in ARMS[arm] else []), f"optim.max_epochs={epochs}"]
            results[model, arm].append(train(config_path(f"{model}-stock"), name, changes, data, seed, out))
    print("| model | arm | energy MAE, meV | force MAE, meV/Å | not finite |", "|---|---|---|---|---|", sep="\n")
    for case in cases:
        print(study_row(*case, results[case]))


def stock_config(model: str, out: Path) -> Path:
    """Return the config of a model; that of EquiformerV2 is based on PaiNN's and written to ``out``."""
    if model != "equiformer_v2":
        return config_path(f"{model}-stock")
    path = out / "equiformer_v2.yml"
    includes = [str(config_path(name)) for name in ("_base", "_one_cycle", "_rescaled")]
    blocks = {"includes": includes, "model": EQUIFORMER_V2}
    path.write_text(yaml.safe_dump(blocks))
    return path


def steps(out: Path, models: Sequence[str], count: int) -> None:
    """Train each model on each bundled sample with and without its norms, and print the table."""
    for sample, (source, layout, _) in SAMPLES.items():
        if not (out / sample).exists():
            prepare(source, out / sample, format=layout, units="eV", train=TRAIN, val=20, test=100)
    print("| model | norms taken out | gain |", *(f" {sample}, eV/Å |" for sample in SAMPLES), sep="")
    print("|---|---|---|" + "---|" * len(SAMPLES))
    for model in models:
        config = stock_config(model, out)
        for norms in NORMS[model]:
            for gain in ("none",) if norms == "none" else ("none", "fitted"):
                cells = []
                for sample, (_, _, periodic) in SAMPLES.items():
                    changes = [f"model.{size}" for size in (*SMALL[model], f"use_pbc={periodic}")]
                    changes += [f"model.dc.denormalize={norms}", f"model.dc.norm_gain={gain}"]
                    changes += [f"optim.batch_size={BATCH}", f"optim.max_epochs={count * BATCH // TRAIN}"]
                    name = f"{model}-{norms}-{gain}-{sample}-{count}"
                    result = train(config, name, changes, out / sample, 0, out)
                    cells.append(result if isinstance(result, str) else f"{result['forces_mae']:.2f}")
                print(f"| {model} | {norms} | {gain} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Train the missing cases and print one of the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", help="ethanol, for the errors")
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", choices=NORMS)
    parser.add_argument("--epochs", type=int, default=8, help="of the runs for the errors")
    parser.add_argument("--steps", type=int, help="train for this many steps on the bundled samples")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.steps is not None:
        steps(args.out, args.models or list(NORMS), args.steps)
    elif args.data is not None:
        study(args.data, args.out, args.models or list(REGIONS), args.epochs)
    else:
        parser.error("DATA is missing; without it, give --steps")


if __name__ == "__main__":
    main()
