"""One training step of a package on energies and forces of ethanol; runs in the environment of that package.

    python benchmarks/peers/steps.py CASE STRUCTURES.npz [--device cpu]

Prints a line of JSON with the versions and the number of parameters when it is ready. Then it reads numbers of steps
from standard input, one a line, and prints the mean time of a step in ms for each. A step is what a training loop does
with a batch on the device: forward, forces, loss, backward and Adam; neighbors are known. ``compare.py`` runs it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypeVar

import numpy as np
import torch

Step = Callable[[], None]
CUTOFF = 6.0  # Å
ELEMENTS = {1: "H", 6: "C", 8: "O"}


class Batch:
    """Structures of the same atoms as tensors, with all pairs within the cutoff as edges.

    Args:
        path: npz with numbers [N], positions [B, N, 3], energies [B] and forces [B, N, 3].
        device: where the tensors are.
    """

    def __init__(self, path: str, device: str) -> None:
        with np.load(path) as data:
            arrays = {name: torch.from_numpy(data[name]) for name in data}
        self.count, self.atoms = arrays["positions"].shape[:2]
        self.numbers = arrays["numbers"].long().repeat(self.count).to(device)  # [B N]
        self.positions = arrays["positions"].float().flatten(0, 1).to(device)  # [B N, 3]
        self.energy = (arrays["energies"] - arrays["energies"].mean()).float().to(device)  # [B]
        self.forces = arrays["forces"].float().flatten(0, 1).to(device)  # [B N, 3]
        self.structure = torch.arange(self.count, device=device).repeat_interleave(self.atoms)  # [B N]
        same = self.structure[:, None] == self.structure
        near = torch.cdist(self.positions, self.positions) < CUTOFF
        near.fill_diagonal_(False)
        self.target, self.source = (same & near).nonzero().T  # [E] each

    def loss(self, energy: torch.Tensor, forces: torch.Tensor) -> torch.Tensor:
        """Return the loss of predicted energies and forces, in any shape."""
        return (energy.view(-1) - self.energy).abs().mean() + 30 * (forces - self.forces).abs().mean()


def trained(model: torch.nn.Module, predict: Callable[[], tuple[torch.Tensor, torch.Tensor]], batch: Batch) -> Step:
    """Return a training step of a model, given a function that returns energies and forces of the batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        batch.loss(*predict()).backward()
        optimizer.step()

    return step


def nequip(batch: Batch, device: str, compile_mode: str) -> tuple[torch.nn.Module, Step]:
    """Return NequIP with three layers, l = 1, no odd parity and 32 features."""
    from nequip.data import AtomicDataDict as keys
    from nequip.model import NequIPGNNModel
    from nequip.utils.global_state import set_global_state

    set_global_state()
    names = list(ELEMENTS.values())
    model = NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=CUTOFF,
        type_names=names,
        num_layers=3,
        parity=False,
        avg_num_neighbors=float(batch.atoms - 1),
        compile_mode=compile_mode,
    ).to(device)
    types = torch.tensor([list(ELEMENTS).index(number) for number in batch.numbers.tolist()], device=device)
    data = {
        keys.POSITIONS_KEY: batch.positions,
        keys.ATOM_TYPE_KEY: types,
        keys.EDGE_INDEX_KEY: torch.stack([batch.target, batch.source]),
        keys.BATCH_KEY: batch.structure,
        keys.NUM_NODES_KEY: torch.full((batch.count,), batch.atoms, device=device),
    }

    def predict() -> tuple[torch.Tensor, torch.Tensor]:
        out = model(dict(data))
        return out[keys.TOTAL_ENERGY_KEY], out[keys.FORCE_KEY]

    return model, trained(model, predict, batch)


def schnetpack(batch: Batch, device: str, representation: str) -> tuple[torch.nn.Module, Step]:
    """Return schnetpack's SchNet or PaiNN with 128 features, 3 interactions and 50 Gaussians, as in configs/md17."""
    dataloader: Any = torch.utils.data.dataloader
    dataloader.T_co = TypeVar("T_co", covariant=True)  # schnetpack 2.0 imports it from there, and torch has moved it
    import schnetpack as spk
    from schnetpack import properties as keys

    model = spk.model.NeuralNetworkPotential(
        representation=getattr(spk.representation, representation)(
            n_atom_basis=128,
            n_interactions=3,
            radial_basis=spk.nn.GaussianRBF(n_rbf=50, cutoff=CUTOFF),
            cutoff_fn=spk.nn.CosineCutoff(CUTOFF),
        ),
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[spk.atomistic.Atomwise(n_in=128, output_key="energy"), spk.atomistic.Forces()],
    ).to(device)
    data = {
        keys.Z: batch.numbers,
        keys.R: batch.positions,
        keys.idx_i: batch.target,
        keys.idx_j: batch.source,
        keys.idx_m: batch.structure,
        keys.n_atoms: torch.full((batch.count,), batch.atoms, device=device),
        keys.offsets: torch.zeros(len(batch.source), 3, device=device),
    }

    def predict() -> tuple[torch.Tensor, torch.Tensor]:
        out = model({key: value.detach() for key, value in data.items()})
        return out["energy"], out["forces"]

    return model, trained(model, predict, batch)


def ocp_dc(batch: Batch, device: str, config: str, accelerate: str) -> tuple[torch.nn.Module, Step]:
    """Return the model of a config of configs/md17; it also finds its graph in every step."""
    from ocp_dc.fairchem1.main import resolve_training  # isort: skip  # first the hooks, without which fairchem fails
    from fairchem.core.common.registry import registry
    from torch_geometric.data import Data

    from ocp_dc.fairchem1.train.collate import collate

    torch.set_flush_denormal(True)
    name, arguments = model_block(resolve_training(f"md17/{config}", [f"--model.dc.accelerate={accelerate}"])["model"])
    model = registry.get_model_class(name)(**arguments).to(device)
    structures = [
        Data(pos=positions, atomic_numbers=numbers, natoms=batch.atoms, cell=torch.eye(3)[None] * 100)
        for positions, numbers in zip(
            batch.positions.cpu().split(batch.atoms), batch.numbers.cpu().split(batch.atoms), strict=True
        )
    ]
    data = collate(structures, otf_graph=True).to(device)

    def predict() -> tuple[torch.Tensor, torch.Tensor]:
        out = model(data)
        return out["energy"], out["forces"]

    return model, trained(model, predict, batch)


def model_block(block: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of a model block, without scale factors, which do not change the time."""
    return block["name"], {key: value for key, value in block.items() if key not in ("name", "scale_file")}


def build(case: str, batch: Batch, device: str) -> tuple[torch.nn.Module, Step]:
    """Return the model and the step of a case such as ``nequip:compile`` or ``ocp_dc:schnet-dc:native``."""
    package, *options = case.split(":")
    makers: dict[str, Callable[..., tuple[torch.nn.Module, Step]]]
    makers = {"nequip": nequip, "schnetpack": schnetpack, "ocp_dc": ocp_dc}
    return makers[package](batch, device, *options)


def clock(device: str) -> float:
    """Return the seconds of CPU time, or on a GPU the time at which it is idle."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", help="nequip:eager, nequip:compile, schnetpack:SchNet, ocp_dc:schnet-dc:native, ...")
    parser.add_argument("structures")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a package prints does not disturb the answers
    model, step = build(args.case, Batch(args.structures, args.device), args.device)
    for _ in range(3):
        step()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    versions = {name: version(name) for name in ("torch", args.case.split(":")[0])}
    print(json.dumps({"versions": versions, "parameters": parameters}), file=out, flush=True)
    for line in sys.stdin:
        start = clock(args.device)
        for _ in range(int(line)):
            step()
        print(1e3 * (clock(args.device) - start) / int(line), file=out, flush=True)


if __name__ == "__main__":
    main()
