"""Several ranks: spawned processes have the fallbacks, and data-loader workers read what the trainer fitted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import pytest
import torch
import yaml
from ase.build import molecule
from ase.calculators.emt import EMT
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.c10d_rendezvous_backend import create_backend

from ocp_dc.data.prepare import prepare
from ocp_dc.evaluation.metrics import error_metrics

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import GEMNET, MODEL, Run, run_main

from fairchem.core import _cli  # isort: skip  # after the hooks, which let it import


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """42 training structures of 3, 6 and 9 atoms: no rank has as many atoms as the other."""
    frames = []
    for number in range(46):
        atoms = molecule(["H2O", "CH3OH", "CH3CH2OH"][number % 3])
        atoms.rattle(0.1, seed=number)
        atoms.calc = EMT()
        atoms.get_potential_energy()
        frames.append(atoms)
    folder = tmp_path_factory.mktemp("mixed")
    ase.io.write(folder / "frames.xyz", frames)
    prepare(folder / "frames.xyz", folder / "data", format="ase", units="eV", train=42, val=3, test=1)
    return folder / "data"


def run_two_ranks(folder: Path, config: dict, name: str) -> Run:
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "ocp_dc", "main", "--mode", "train", "--config-yml", str(path), "--cpu"]
    command += ["--num-gpus", "2", "--run-dir", str(folder), "--timestamp-id", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return Run(0, folder, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [pytest.param(MODEL, id="schnet"), pytest.param(GEMNET, id="gemnet_t", marks=pytest.mark.long)]
)
def test_two_ranks_are_one_on_the_joint_batch(tmp_path, small_config, mixed, model):
    """Same gradients, so same weights: labels fitted once and shared, every atom weighs the same on both ranks.

    GemNet has parameters that several blocks share, whose gradients the trainer divides.
    """
    optim = {"optimizer": "SGD", "lr_initial": 1.0e-2, "max_epochs": 1}
    config = {**small_config(optim=optim), "model": {**model, "dc": {"activation": "irelu", "region": "output"}}}
    for split in ("train", "val", "test"):
        config["dataset"][split] = {**config["dataset"][split], "src": str(mixed / split)}
    config["optim"]["batch_size"] = 20
    one = run_main(tmp_path, config).load()
    config["optim"]["batch_size"] = 10
    run = run_two_ranks(tmp_path, config, "two")
    two = run.load()
    assert one["step"] == two["step"] == 3  # of 20, 20 and 2 structures
    torch.testing.assert_close(two["label_rescaling"], one["label_rescaling"], rtol=0, atol=0, equal_nan=True)
    assert len(run.validations()) == 1
    start = run_main(tmp_path, start_of(config)).load()["state_dict"]
    weights = {name.removeprefix("module."): weight for name, weight in two["state_dict"].items()}  # DDP's prefix
    torch.testing.assert_close(weights, one["state_dict"], rtol=1e-4, atol=1e-6)
    assert max((weight - start[name]).abs().max().item() for name, weight in weights.items()) > 1e-3

    resumed = {**config, "optim": {**config["optim"], "max_epochs": 2}}
    again = run_main(tmp_path, resumed, "--checkpoint", str(run.checkpoint()))
    assert again.status == 0
    assert again.load()["epoch"] == pytest.approx(2.0)


def start_of(config: dict) -> dict:
    """The config of a run that ends where the others began."""
    return {**config, "optim": {**config["optim"], "lr_initial": 1.0e-12}}


def test_loader_workers(tmp_path, small_config):
    """Samples that come from worker processes are the same, and so are the weights."""
    alone = run_main(tmp_path, small_config(optim={"num_workers": 0}))
    workers = run_main(tmp_path, small_config(optim={"num_workers": 1}))
    assert alone.status == workers.status == 0
    state = workers.load()["state_dict"]
    assert all(value.equal(state[name]) for name, value in alone.load()["state_dict"].items())


def test_runs_beside_each_other_meet_at_ports_of_their_own():
    """With torch's default both take port 29400: the second joins the first one's store, and ends with it."""
    stores: list[Any] = []
    for name in ("one", "two"):
        given = _cli.LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=2, rdzv_backend="c10d", run_id=name)
        parameters = RendezvousParameters("c10d", given.rdzv_endpoint, name, 1, 1, **given.rdzv_configs)
        stores.append(create_backend(parameters)[1])
    assert len({store.port for store in stores}) == 2


@pytest.mark.slow
def test_metrics_of_two_ranks_count_each_structure_once(tmp_path, small_config, mixed):
    """Three structures on two ranks: fairchem gives the first to both, and its errors counted twice."""
    config = small_config(optim={"max_epochs": 1, "batch_size": 10, "eval_batch_size": 1})
    config["dataset"]["train"] = {**config["dataset"]["train"], "src": str(mixed / "train")}
    config["dataset"]["val"] = {"src": str(mixed / "test")}
    config["dataset"]["test"] = {"src": str(mixed / "val")}
    run = run_two_ranks(tmp_path, config, "three")
    best = run.checkpoint("best_checkpoint.pt")
    errors = error_metrics(predict_labels(best, mixed / "val", cpu=True))
    found = run.json("test.json")
    for name in ("energy_mae", "energy_per_atom_mae", "forces_mae"):
        assert found[name] == pytest.approx(errors[name], rel=1e-5)
