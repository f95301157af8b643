"""Time a training step of SchNet: the wrapper against stock, with and without subnormals, and reading the batch.

Run: ``OMP_NUM_THREADS=1 python benchmarks/training_step.py``. Ethanol of the bundled sample, 32 structures per batch,
128 channels, 3 interactions. All cases take turns in one process; the medians are compared as ratios.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ocp_dc.fairchem1  # isort: skip  # before fairchem, which cannot be imported without the hooks

import torch
from fairchem.core.common.registry import registry
from fairchem.core.datasets import data_list_collater
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from measure import medians

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.memory_dataset import LmdbInMemoryDataset

BATCH = 32
MODEL = {
    "hidden_channels": 128,
    "num_filters": 128,
    "num_interactions": 3,
    "num_gaussians": 50,
    "cutoff": 6.0,
    "use_pbc": False,
    "otf_graph": True,
}


def stepper(name: str, batch: Any, arguments: dict[str, Any], flush: bool = True) -> Callable[[], None]:
    """Return a function that does one training step of a fresh model."""
    model = registry.get_model_class(name)(**arguments)
    optimizer = torch.optim.Adam(model.parameters())

    def step() -> None:
        torch.set_flush_denormal(flush)
        out = model(batch)
        loss = out["energy"].abs().mean() + 30 * out["forces"].abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        prepare(sample_path(), data, format="rmd17", units="eV", train=BATCH, val=0, test=0, progress=False)
        config = {"src": str(data / "train"), "key_mapping": {"y": "energy", "force": "forces"}}
        stock, memory = LmdbDataset(config), LmdbInMemoryDataset(config)
        batch = collate([memory[index] for index in range(BATCH)], otf_graph=True)
        again = {**MODEL, "dc": {"activation": "shifted_softplus", "region": "full"}}
        swapped = {**MODEL, "dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}}
        everywhere = {**MODEL, "dc": {"activation": "irelu"}}
        times = medians(
            {
                "step, stock": stepper("schnet", batch, MODEL),
                "step, dc_schnet without dc": stepper("dc_schnet", batch, MODEL),
                "step, dc_schnet, shifted softplus swapped in": stepper("dc_schnet", batch, again),
                "step, dc_schnet, Mish and IReLU": stepper("dc_schnet", batch, swapped),
                "step, dc_schnet, IReLU everywhere": stepper("dc_schnet", batch, everywhere),
                "step, stock, subnormals kept": stepper("schnet", batch, MODEL, flush=False),
                "read and collate, stock lmdb": lambda: data_list_collater(
                    [stock[index] for index in range(BATCH)], otf_graph=True
                ),
                "read and collate, lmdb_in_memory": lambda: collate(
                    [memory[index] for index in range(BATCH)], otf_graph=True
                ),
            }
        )
    reference = times["step, stock"]
    print(f"{'case':50s} {'ms':>8s} {'of a stock step':>16s}")
    for name, value in times.items():
        print(f"{name:50s} {value:8.2f} {value / reference:16.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    assert ocp_dc.fairchem1  # registers dc_schnet
    main()
