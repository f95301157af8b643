"""Periodic slabs with fixed atoms, through the main job: what counts is the free atoms, by hand."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from ase.db import connect
from ase.io import read
from fairchem.core.common.registry import registry
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import slab_sample_path
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.testing.tolerances import FLOAT32_LABEL, assert_close

from tests.helpers.oc20_files import of_oc22, relaxations, write_shards
from tests.helpers.oc20_files import slabs as oc20_slabs
from tests.helpers.runs import MODEL, run_main

PERIODIC = {"use_pbc": True, "otf_graph": True}
RELATIVE, ABSOLUTE = FLOAT32_LABEL


@pytest.fixture(scope="module")
def frames(slabs):
    """The source's frames of each split."""
    every = read(slab_sample_path(), ":")
    with np.load(slabs / "split.npz") as split:
        return {name: [every[index] for index in split[name]] for name in ("train", "val", "test")}


@pytest.fixture(scope="module")
def slab_config(small_config, slabs):
    def make(**changes):
        config = small_config(model={**PERIODIC, **changes.pop("model", {})}, **changes)
        config["dataset"] = copy.deepcopy(config["dataset"])
        for split, block in config["dataset"].items():
            block["src"] = str(slabs / split)
        return config

    return make


def errors(checkpoint, frames):
    """(S,) energy errors, (F, 3) force errors of free atoms, and those of all atoms, by our calculator."""
    calculator = ocp_dc.calculator(checkpoint, cpu=True)
    energies, free, every = [], [], []
    for atoms in frames:
        moved = atoms.copy()
        moved.calc = calculator
        difference = moved.get_forces(apply_constraint=False) - atoms.calc.results["forces"]
        energies.append(moved.get_potential_energy() - atoms.calc.results["energy"])
        free.append(difference[atoms.get_tags() > 0])
        every.append(difference)
    return np.array(energies), np.concatenate(free), np.concatenate(every)


def scale(frames):
    free = np.concatenate([atoms.calc.results["forces"][atoms.get_tags() > 0] for atoms in frames])
    return np.sqrt(np.mean(free**2))


@pytest.fixture(scope="module")
def trained_on_slabs(slab_config, tmp_path_factory):
    config = slab_config(
        model={"dc": {"activation": "irelu", "region": "output", "elsewhere": "mish"}},
        evaluation_metrics={
            "metrics": {
                "energy": ["mae", "per_atom_mae"],
                "forces": ["mae", "cosine_similarity"],
                "misc": ["energy_forces_within_threshold"],
            },
            "primary_metric": "forces_mae",
        },
        optim={"max_epochs": 8, "lr_initial": 3.0e-3},
    )
    run = run_main(tmp_path_factory.mktemp("slabs"), config)
    assert run.status == 0
    return run


def test_training_learns_and_fits_on_free_atoms(trained_on_slabs, frames):
    """Of the first epoch's loss of energies 0.05 to 0.18 is left, over five seeds; forces learn more slowly."""
    losses = [float(row["train_loss_energy"]) for row in trained_on_slabs.validations()]
    assert losses[-1] < 0.5 * losses[0]
    assert trained_on_slabs.load()["label_rescaling"]["scale"] == pytest.approx(scale(frames["train"]), rel=1e-6)


def test_test_metrics_are_of_free_atoms(trained_on_slabs, frames):
    energy, free, every = errors(trained_on_slabs.checkpoint("best_checkpoint.pt"), frames["test"])
    found = trained_on_slabs.json("test.json")
    assert found["energy_mae"] == pytest.approx(np.abs(energy).mean(), RELATIVE, ABSOLUTE)
    assert found["forces_mae"] == pytest.approx(np.abs(free).mean(), RELATIVE, ABSOLUTE)
    assert np.abs(every).mean() != pytest.approx(np.abs(free).mean(), rel=1e-2)
    n_free = [(atoms.get_tags() > 0).sum() for atoms in frames["test"]]  # fairchem divides by the free atoms
    assert found["energy_per_atom_mae"] == pytest.approx(np.mean(np.abs(energy) / n_free), RELATIVE, ABSOLUTE)


def test_evaluate_says_which_atoms_it_counts(trained_on_slabs, frames, slabs, tmp_path, capsys):
    checkpoint = trained_on_slabs.checkpoint("best_checkpoint.pt")
    assert main(["evaluate", str(checkpoint), str(slabs / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 0
    found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    energy, free, every = errors(checkpoint, frames["test"])
    assert found["energy_mae"] == pytest.approx(np.abs(energy).mean(), RELATIVE, ABSOLUTE)
    assert found["forces_mae"] == pytest.approx(np.abs(free).mean(), RELATIVE, ABSOLUTE)
    assert found["forces_mae"] == pytest.approx(trained_on_slabs.json("test.json")["forces_mae"], RELATIVE, ABSOLUTE)
    assert (found["n_free_atoms"], found["n_atoms"]) == (len(free), len(every))
    assert f"{len(free)} free of {len(every)} atoms" in " ".join(capsys.readouterr().out.split())


def test_the_calculator_keeps_fixed_atoms(trained_on_slabs, frames):
    atoms = frames["test"][0].copy()
    atoms.calc = ocp_dc.calculator(trained_on_slabs.checkpoint("best_checkpoint.pt"), cpu=True)
    constrained, raw = atoms.get_forces(), atoms.get_forces(apply_constraint=False)
    fixed = atoms.get_tags() == 0
    assert not constrained[fixed].any()
    assert raw[fixed].all()
    np.testing.assert_array_equal(constrained[~fixed], raw[~fixed])
    image = atoms.copy()  # every atom in another cell: the same crystal
    image.positions += image.cell[0] - 2 * image.cell[1]
    image.calc = atoms.calc
    assert image.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-4)


@pytest.mark.parametrize("free_only", [True, False])
def test_the_training_loss_is_of_the_atoms_asked_for(slab_config, frames, tmp_path, free_only):
    """One step over the whole set that changes no weight: the loss is that of the checkpoint, by hand."""
    config = slab_config(
        outputs={
            "forces": {"level": "atom", "train_on_free_atoms": free_only, "eval_on_free_atoms": free_only},
        },
        optim={"max_epochs": 1, "batch_size": 30, "lr_initial": 1.0e-12},
    )
    run = run_main(tmp_path, config)
    assert run.status == 0
    energy, free, every = errors(run.checkpoint(), frames["train"])
    expected = (np.abs(energy).mean() + 30 * np.abs(free if free_only else every).mean()) / scale(frames["train"])
    (row,) = run.validations()
    assert float(row["train_loss"]) == pytest.approx(expected, rel=1e-5)
    energy, free, every = errors(run.checkpoint("best_checkpoint.pt"), frames["test"])
    counted = free if free_only else every
    assert run.json("test.json")["forces_mae"] == pytest.approx(np.abs(counted).mean(), RELATIVE, ABSOLUTE)


def test_stored_edges_give_the_same_energies(slabs, tmp_path):
    prepare(
        slab_sample_path(), tmp_path / "o", format="ase", train=2, val=0, test=0, edges=5.0, max_neighbors=10**6,
        progress=False,
    )  # fmt: skip
    stored = LmdbDataset({"src": str(tmp_path / "o" / "train")})
    samples = [stored[index] for index in range(2)]
    torch.manual_seed(0)
    arguments = {key: value for key, value in MODEL.items() if key != "name"} | PERIODIC
    model = registry.get_model_class("dc_schnet")(**arguments)
    outputs = []
    for otf_graph in (True, False):
        model.otf_graph, model.max_neighbors = otf_graph, 10**6
        outputs.append(model(collate(copy.deepcopy(samples), otf_graph=otf_graph)))
    for name in ("energy", "forces"):
        assert_close(outputs[0][name], outputs[1][name])


@pytest.mark.parametrize("file_format", ["lmdb", "lmdb_in_memory"])
def test_oc20_shards_train_with_their_own_edges(slab_config, tmp_path, file_format):
    """PyG 1.x records, no metadata.npz, otf_graph off; then evaluate, whose edges are its own."""
    folder = write_shards(tmp_path / "shards", oc20_slabs(12, edges=True))
    config = slab_config(model={"otf_graph": False, "cutoff": 6.0}, optim={"max_epochs": 1, "batch_size": 6})
    for block in config["dataset"].values():
        block["src"] = str(folder)
    config["dataset"]["train"]["format"] = file_format
    run = run_main(tmp_path, config)
    assert run.status == 0
    checkpoint = str(run.checkpoint("best_checkpoint.pt"))
    assert main(["evaluate", checkpoint, str(folder), "--out", str(tmp_path / "e"), "--cpu"]) == 0
    found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert found["forces_mae"] == pytest.approx(run.json("test.json")["forces_mae"], rel=1e-4)
    assert "0_0" in (tmp_path / "e" / "largest_errors.csv").read_text()


def test_oc22_trains_on_total_energies(slab_config, tmp_path):
    folder = write_shards(tmp_path / "shards", of_oc22(oc20_slabs(12)))
    config = slab_config(optim={"max_epochs": 1, "batch_size": 6})
    for block in config["dataset"].values():
        block["src"] = str(folder)
    config["dataset"]["train"]["format"] = "oc22_lmdb"
    run = run_main(tmp_path, config)
    assert run.status == 0
    energy, free, _ = errors(run.checkpoint("best_checkpoint.pt"), read(slab_sample_path(), ":12"))
    assert run.json("test.json")["energy_mae"] == pytest.approx(np.abs(energy).mean(), RELATIVE, ABSOLUTE)
    assert run.json("test.json")["forces_mae"] == pytest.approx(np.abs(free).mean(), RELATIVE, ABSOLUTE)


def test_an_ase_database_trains(slab_config, tmp_path):
    """Straight from ASE: no LMDB, and the labels under the names of the outputs."""
    chosen = read(slab_sample_path(), ":12")
    with connect(tmp_path / "slabs.db") as database:
        for atoms in chosen:
            database.write(atoms)
    config = slab_config(optim={"max_epochs": 1, "batch_size": 6})
    for block in config["dataset"].values():
        block["src"] = str(tmp_path / "slabs.db")
    train = config["dataset"]["train"]
    train |= {"format": "ase_db", "a2g_args": {"r_energy": True, "r_forces": True}}
    del train["key_mapping"]
    run = run_main(tmp_path, config)
    assert run.status == 0
    energy, free, _ = errors(run.checkpoint("best_checkpoint.pt"), chosen)
    assert run.load()["label_rescaling"]["scale"] == pytest.approx(scale(chosen), rel=1e-6)
    assert run.json("test.json")["energy_mae"] == pytest.approx(np.abs(energy).mean(), RELATIVE, ABSOLUTE)
    assert run.json("test.json")["forces_mae"] == pytest.approx(np.abs(free).mean(), RELATIVE, ABSOLUTE)


def test_relaxed_energies_train_alone(slab_config, tmp_path):
    folder = write_shards(tmp_path / "shards", relaxations(12))
    config = slab_config(model={"regress_forces": False}, optim={"max_epochs": 1, "batch_size": 6})
    config["outputs"] = {"energy": {"level": "system"}}
    config["loss_functions"] = [{"energy": {"fn": "mae", "coefficient": 1}}]
    for block in config["dataset"].values():
        block["src"] = str(folder)
    config["dataset"]["train"]["key_mapping"] = {"y_relaxed": "energy"}
    config["dataset"]["train"]["transforms"] = {"label_rescaling": {"center": "composition", "scale": 2.0}}
    run = run_main(tmp_path, config)
    assert run.status == 0
    calculator = ocp_dc.calculator(run.checkpoint("best_checkpoint.pt"), cpu=True)
    differences = []
    for atoms in read(slab_sample_path(), ":12"):
        relaxed = atoms.calc.results["energy"] - 0.5
        atoms.calc = calculator
        differences.append(atoms.get_potential_energy() - relaxed)
    assert run.json("test.json")["energy_mae"] == pytest.approx(np.abs(differences).mean(), rel=1e-4)
