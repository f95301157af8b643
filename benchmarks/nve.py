"""Measure how well molecular dynamics conserves energy: short NVE runs of ethanol, by model and activation.

Run: ``OMP_NUM_THREADS=1 python benchmarks/nve.py DATA OUT``, where DATA is a folder of ethanol made by
``ocp-dc prepare``.

Each arm is trained once with seed 0 by ``ocp-dc main`` in this process: the model's ``-stock`` config of configs/md17
with the changes in ARMS (or its unchanged ``-dc`` config), on all training structures, for a few epochs; GemNet's scale
factors are fitted first. Then ASE's VelocityVerlet starts from the first test geometry with ``ocp_dc.calculator``, once
for each seed of the velocities (Maxwell-Boltzmann, without momentum and rotation). The drift is the slope of a straight
line through the total energy, and the fluctuation is the RMS distance from that line. A run ends if a bond is longer
than twice the sum of its covalent radii, or if the energy is not finite. The runs of the first seed are repeated in
float64.

Earlier results in OUT are not repeated, so an interrupted benchmark can be continued. With another ``--ps``,
``--timestep`` or ``--temperature`` only the dynamics is repeated. Prints the table of docs/nve.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

import ocp_dc
from ocp_dc.cli import main as command_line
from ocp_dc.demo import config_path
from ocp_dc.dynamics.summary import energy_drift
from ocp_dc.dynamics.watch import BondWatch
from ocp_dc.evaluation.calculator import PotentialCalculator
from ocp_dc.fairchem1.infer.predictor import Predictor

from fairchem.core.datasets.lmdb_dataset import LmdbDataset  # isort: skip  # after the hooks, without which it cannot be imported

IRELU = ["--model.dc.activation.name=irelu", "--model.dc.activation.coefficient=0.25"]
# (model, arm) -> the config, and the changes to it
ARMS: dict[tuple[str, str], tuple[str, list[str]]] = {
    ("SchNet", "shifted softplus (stock)"): ("schnet-stock", []),
    ("SchNet", "SiLU"): ("schnet-stock", ["--model.dc.activation=silu", "--model.dc.region=full"]),
    ("SchNet", "Mish"): ("schnet-stock", ["--model.dc.activation=mish", "--model.dc.region=full"]),
    ("SchNet", "IReLU in the output block"): ("schnet-stock", [*IRELU, "--model.dc.region=output"]),
    ("SchNet", "IReLU everywhere"): ("schnet-stock", [*IRELU, "--model.dc.region=full"]),
    ("DimeNet++", "SiLU, detached angles (stock)"): ("dimenetplusplus-stock", []),
    ("DimeNet++", "SiLU, exact angles"): ("dimenetplusplus-stock", ["--model.dc.angle_gradients=exact"]),
    ("GemNet-dT", "scaled SiLU (stock)"): ("gemnet_t-stock", []),
    ("GemNet-dT", "IReLU as in gemnet_t-dc"): ("gemnet_t-dc", []),
}
SEEDS = (0, 1, 2)


class Float64Calculator(PotentialCalculator):
    """The calculator with positions and weights in float64."""

    def __init__(self, checkpoint: Path) -> None:
        predictor = Predictor(checkpoint, cpu=True)
        super().__init__(predictor)
        model = predictor.trainer.model.double()
        forward = model.forward

        def in_float64(batch: Any) -> Any:
            assert self.atoms is not None  # calculate has set it
            batch.pos = torch.from_numpy(self.atoms.positions.copy())  # [N, 3]; float32 in a batch
            batch.cell = batch.cell.double()
            return forward(batch)

        model.forward = in_float64


def ocp_dc_command(*arguments: str) -> None:
    """Run one ``ocp-dc`` command silently."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        status = command_line(list(arguments))
    if status != 0:
        raise SystemExit(errors.getvalue())


def train(name: str, config: str, changes: list[str], args: argparse.Namespace) -> Path:
    """Train an arm unless it is trained already; return its best checkpoint."""
    path = str(config_path(config))
    changes = changes + [f"--dataset.{split}.src={args.data / split}" for split in ("train", "val", "test")]
    changes += [f"--optim.max_epochs={args.epochs}"]
    if not (args.out / "results" / name / "test.json").exists():  # the last file that a training run writes
        if config.startswith("gemnet_t"):
            scales = args.out / f"{name}-scales.json"
            if not scales.exists():
                ocp_dc_command("fit-scales", path, "--out", str(scales), *changes)
            changes += [f"--model.scale_file={scales}"]
        identity = ["--run-dir", str(args.out), "--timestamp-id", name, "--seed", "0"]
        ocp_dc_command("main", "--mode", "train", "--config-yml", path, "--cpu", *identity, *changes)
    return Path(args.out, "checkpoints", name, "best_checkpoint.pt")


def simulate(atoms: Atoms, calculator: Calculator, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Run NVE; return drift (meV/atom/ps), fluctuation (meV/atom) and how long the molecule stays intact (ps)."""
    atoms = atoms.copy()
    atoms.calc = calculator
    MaxwellBoltzmannDistribution(atoms, temperature_K=args.temperature, rng=np.random.default_rng(seed))
    Stationary(atoms)
    ZeroRotation(atoms)
    bonds = BondWatch(atoms)
    dynamics = VelocityVerlet(atoms, args.timestep * units.fs)
    steps = round(args.ps * 1e3 / args.timestep)
    energies = [atoms.get_total_energy()]
    for _ in range(steps):
        dynamics.run(1)
        energies.append(atoms.get_total_energy())
        if not np.isfinite(energies[-1]) or bonds.broken(atoms) is not None:
            break
    times = np.arange(len(energies)) * args.timestep * 1e-3  # ps
    values = 1e3 * (np.array(energies) - energies[0]) / len(atoms)  # meV/atom
    slope, rms = energy_drift(times, values)
    return {"drift": slope, "rms": rms, "ps": float(times[-1]), "held": len(energies) == steps + 1}


def run(name: str, checkpoint: Path, seed: int, precision: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the result of one NVE run of an arm, from OUT if it is there."""
    settings = f"{args.ps:g}ps-{args.timestep:g}fs-{args.temperature:g}K"
    record = args.out / "nve" / f"{name}-{settings}-{precision}-s{seed}.json"
    if not record.exists():
        single = precision == "float32"
        calculator = ocp_dc.calculator(checkpoint, cpu=True) if single else Float64Calculator(checkpoint)
        data = LmdbDataset({"src": str(args.data / "test")})[0]
        atoms = Atoms(data.atomic_numbers.int().numpy(), data.pos.double().numpy())
        record.write_text(json.dumps(simulate(atoms, calculator, seed, args)))
    found: dict[str, Any] = json.loads(record.read_text())
    return found


def main() -> None:
    """Train and run the missing arms, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--ps", type=float, default=1.0, help="length of each run")
    parser.add_argument("--timestep", type=float, default=0.5, help="in fs")
    parser.add_argument("--temperature", type=float, default=300.0, help="of the initial velocities, in K")
    args = parser.parse_args()
    (args.out / "nve").mkdir(parents=True, exist_ok=True)
    print("| model | activation | force MAE, meV/Å | drift, meV/atom/ps | the same, float64 | RMS, meV/atom | held |")
    print("|---|---|---|---|---|---|---|")
    for number, ((model, arm), (config, changes)) in enumerate(ARMS.items()):
        name = f"arm{number}"
        checkpoint = train(name, config, changes, args)
        error = 1e3 * json.loads((args.out / "results" / name / "test.json").read_text())["forces_mae"]
        runs = [run(name, checkpoint, seed, "float32", args) for seed in SEEDS]
        again = run(name, checkpoint, SEEDS[0], "float64", args)
        drifts = ", ".join(f"{each['drift']:+.3f}" for each in runs)
        rms = statistics.mean(each["rms"] for each in runs)
        held = ", ".join("yes" if each["held"] else f"{each['ps']:.2f} ps" for each in [*runs, again])
        print(f"| {model} | {arm} | {error:.0f} | {drifts} | {again['drift']:+.3f} | {rms:.3f} | {held} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the tails of SchNet's Gaussians are subnormal numbers, which are slow on a CPU
    main()
