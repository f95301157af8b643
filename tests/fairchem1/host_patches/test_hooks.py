"""The hooks: each finds in fairchem what it changes, is idempotent, and does what it is for."""

from __future__ import annotations

import importlib
import importlib.metadata
import pickle
import subprocess
import sys
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch
from fairchem.core import _cli
from fairchem.core.common import gp_utils
from fairchem.core.common.relaxation.ase_utils import OCPCalculator
from fairchem.core.datasets.lmdb_dataset import LmdbDataset
from fairchem.core.models.base import GraphData
from fairchem.core.models.painn.painn import PaiNN

from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.fairchem1.host_patches import hooks
from ocp_dc.fairchem1.train import runner


def source(module: str) -> str:
    return Path(importlib.import_module(f"fairchem.core.{module}").__file__).read_text()


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("datasets.lmdb_dataset", "pickle.loads(datapoint_pickled)"),
        ("datasets.oc22_lmdb_dataset", "pickle.loads(datapoint_pickled)"),
        ("datasets.base_dataset", "np.load(metadata_file, allow_pickle=True)"),
        ("common.relaxation.ase_utils", "torch.load(checkpoint_path"),
        ("trainers.base_trainer", "torch.load(checkpoint_path"),
        ("modules.scaling.compat", "torch.load(path)"),
        ("modules.normalization._load_utils", 'torch.load(config["file"])'),
        ("modules.normalization.normalizer", "torch.load(file)"),
        ("modules.normalization.element_references", "torch.load(file)"),
        ("models.base", "load_model_and_weights_from_checkpoint(\n"),
        ("common.relaxation.ase_utils", "wrap_positions(pos, cell"),
        ("modules.transforms", "eval(transform_fn)"),
        ("_cli", "class Runner(Checkpointable)"),
        ("_cli", "elastic_launch(launch_config, runner_wrapper)(config)"),
        ("common.utils", "from torch_scatter import scatter"),
        ("trainers.base_trainer", "ensure_fitted(self._unwrapped_model, warn=True)"),
        ("trainers.ocp_trainer", "ensure_fitted(self._unwrapped_model)\n"),
        ("common.relaxation.optimizable", "class OptimizableBatch(Optimizable)"),
        ("models.painn.painn", "graph.edge_distance[mask_zero] = 1.0e-6"),
        ("models.painn.painn", "x,\n                        pos,\n"),  # not the energy: what dc_painn is for
        ("models.gemnet_gp.gemnet", "-graph.distance_vec /"),
        ("common.gp_utils", "assert initialized()"),
        ("models.gemnet.utils", "assert block_inc == 0  # Implementing this is not worth the effort"),
        ("models.gemnet.gemnet", "An image has no neighbors"),
        ("models.painn.painn", "An image has no neighbors"),
        ("models.esen.esen", 'if graph_dict["edge_index"].shape[1] != 0:'),
    ],
)
def test_pristine_source_has_what_the_hooks_change(module, text):
    assert text in source(module)


def test_idempotent():
    def places() -> list[object]:
        return [
            _cli.Runner,
            _cli.runner_wrapper,
            importlib.import_module("fairchem.core.datasets.base_dataset").np,
            PaiNN.generate_graph,
            PaiNN.generate_graph_values,
            importlib.import_module("fairchem.core.models.scn.scn").torch,
            importlib.import_module("fairchem.core.models.gemnet.gemnet").repeat_blocks,
            importlib.import_module("fairchem.core.models.esen.esen").eSEN_Backbone.__init__,
            importlib.import_module("fairchem.core.models.escn.escn").SO2Block.forward,
            GraphData.distance_vec,
            gp_utils.scatter_to_model_parallel_region,
        ]

    before = places()
    hooks.install()
    assert all(one is two for one, two in zip(before, places(), strict=True))


@pytest.mark.parametrize("version", ["1.9.0", "2.24.0", None])
def test_another_fairchem_is_refused(monkeypatch, version):
    def find(name):
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", find)
    with pytest.raises(UserError, match=r"needs fairchem-core 1\.10\.0, found"):
        hooks.install()


def test_a_job_imports_ours_before_fairchem():
    """What Slurm and spawned ranks unpickle works in a process that has imported nothing."""
    assert _cli.Runner is runner.Runner
    payload = pickle.dumps((_cli.Runner(), _cli.runner_wrapper))
    assert payload.index(b"ocp_dc.fairchem1.train.runner") < len(payload)
    script = (
        "import pickle, sys; job, run = pickle.loads(bytes.fromhex(sys.argv[1])); import torch_scatter;"
        "from fairchem.core._cli import Runner; assert type(job) is Runner; print('ready')"
    )
    done = subprocess.run([sys.executable, "-c", script, payload.hex()], capture_output=True, text=True)
    assert done.stdout.strip().endswith("ready"), done.stderr


class Hostile:
    """Unpickled, it would make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def write_records(path: Path, **records: bytes) -> None:
    env = lmdb.open(str(path), subdir=False, map_size=1 << 20, lock=False)
    with env.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key.lstrip("_").encode(), value)
    env.close()


def test_stock_dataset_reads_ours(ethanol):
    dataset = LmdbDataset({"src": str(ethanol / "train")})
    assert len(dataset) == 40
    sample = dataset[3]
    assert sample.natoms == 9
    assert sample.y == pytest.approx(-310.0, abs=20)  # GFN2-xTB's total energy of ethanol, eV
    assert dataset.get_metadata("natoms", [0, 1]) == [9, 9]


@pytest.mark.parametrize("where", ["record", "length", "metadata"])
def test_reading_a_hostile_data_set_runs_nothing(tmp_path, where):
    target = tmp_path / "made"
    hostile, folder = pickle.dumps(Hostile(target)), tmp_path / "data"
    folder.mkdir()
    records = {"_0": hostile if where == "record" else pickle.dumps(1)}
    write_records(folder / "data.lmdb", **records, length=hostile if where == "length" else pickle.dumps(1))
    if where == "metadata":
        np.savez(folder / "metadata.npz", natoms=np.array([Hostile(target)], dtype=object))
    with pytest.raises(UnsafeDataError):
        _read(folder, where)
    assert not target.exists()


def _read(folder: Path, where: str) -> None:
    dataset = LmdbDataset({"src": str(folder)})
    dataset.metadata_hasattr("natoms") if where == "metadata" else dataset[0]


def test_a_hostile_checkpoint_runs_nothing(tmp_path):
    target, path = tmp_path / "made", tmp_path / "checkpoint.pt"
    torch.save({"state_dict": {}, "config": Hostile(target)}, path)
    with pytest.raises(UnsafeDataError, match="could run code"):
        OCPCalculator(checkpoint_path=path)
    assert not target.exists()


def test_fairchem_in_an_untouched_process_gets_the_fallbacks():
    """Importing the package is enough, whatever is imported first."""
    script = (
        "import ocp_dc.fairchem1; from fairchem.core.common.registry import registry;"
        "registry.get_model_class('dc_schnet')"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
