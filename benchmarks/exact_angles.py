"""Time a training step of DimeNet++ with exact angle gradients, against the detached angles of the stock model.

Run: ``OMP_NUM_THREADS=1 python benchmarks/exact_angles.py``. Ethanol of the bundled sample, 20 structures per batch,
the sizes of configs/md17/_dimenetplusplus.yml. All cases take turns in one process; the medians are compared as ratios.
Also prints the time to construct the model.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import ocp_dc.fairchem1  # isort: skip  # before fairchem, which cannot be imported without the hooks

import torch
from measure import medians
from training_step import stepper

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.memory_dataset import LmdbInMemoryDataset

BATCH = 20
MODEL = {
    "hidden_channels": 128,
    "out_emb_channels": 128,
    "num_blocks": 2,
    "int_emb_size": 64,
    "basis_emb_size": 8,
    "num_spherical": 7,
    "num_radial": 6,
    "num_output_layers": 1,
    "cutoff": 6.0,
    "use_pbc": False,
    "otf_graph": True,
}
CONSTRUCT = f"""
import time, ocp_dc.fairchem1
from ocp_dc.fairchem1.wrappers import DCDimeNetPlusPlus
start = time.perf_counter()
DCDimeNetPlusPlus(**{MODEL!r})
print(time.perf_counter() - start)
"""


def construction() -> float:
    """Return the time that a new process takes to construct the model, in s."""
    out = subprocess.run([sys.executable, "-c", CONSTRUCT], capture_output=True, text=True, check=True).stdout
    return float(out.splitlines()[-1])


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        prepare(sample_path(), data, format="rmd17", units="eV", train=BATCH, val=0, test=0, progress=False)
        dataset = LmdbInMemoryDataset({"src": str(data / "train"), "key_mapping": {"y": "energy", "force": "forces"}})
        batch = collate([dataset[index] for index in range(BATCH)], otf_graph=True)
        irelu = {"name": "irelu", "coefficient": 0.25}
        times = medians(
            {
                "fairchem's, detached angles": stepper("dimenetplusplus", batch, MODEL),
                "exact angles, stock activations": stepper(
                    "dc_dimenetplusplus", batch, {**MODEL, "dc": {"angle_gradients": "exact"}}
                ),
                "exact angles, IReLU in the output blocks": stepper(
                    "dc_dimenetplusplus", batch, {**MODEL, "dc": {"activation": irelu, "region": "output"}}
                ),
                "exact angles, the same with Mish inside": stepper(
                    "dc_dimenetplusplus",
                    batch,
                    {**MODEL, "dc": {"activation": irelu, "region": "output", "elsewhere": "mish"}},
                ),
            }
        )
        reference = next(iter(times.values()))
        print(f"{'training step':45s} {'ms':>8s} {'of stock':>9s}")
        for name, value in times.items():
            print(f"{name:45s} {value:8.1f} {value / reference:9.3f}")
        print(f"construction: {construction():.2f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    assert ocp_dc.fairchem1  # registers dc_dimenetplusplus
    main()
