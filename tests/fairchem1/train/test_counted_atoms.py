"""Structures without free atoms, alone in a batch or in company, in training, validation and metrics."""

from __future__ import annotations

from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from fairchem.core.modules.evaluator import Evaluator

from ocp_dc.data.prepare import prepare
from ocp_dc.evaluation.metrics import error_metrics
from ocp_dc.fairchem1.train.counted_atoms import evaluate

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import run_main

METRICS = {"energy": ["mae", "per_atom_mae"], "forces": ["mae"], "misc": ["energy_forces_within_threshold"]}


def values(energies: list[float], counted: list[int], force: float) -> dict[str, torch.Tensor]:
    forces = torch.full((sum(counted), 3), force)
    return {"energy": torch.tensor(energies)[:, None], "forces": forces, "natoms": torch.tensor(counted)}


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_fairchems(seed):
    """Structures of several sizes, near the thresholds of energy and forces; in two batches."""
    evaluator = Evaluator(task="ocp", eval_metrics=METRICS)
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for sizes in ([1, 4, 2, 3, 1, 2], [2, 1, 1]):
        true = values([0.0] * len(sizes), sizes, 0.0)
        predicted = values([0.0] * len(sizes), sizes, 0.0)
        predicted["energy"] += 0.03 * torch.rand(len(sizes), 1, generator=generator)
        predicted["forces"] -= 0.033 * torch.rand(sum(sizes), 3, generator=generator)
        expected = evaluator.eval(predicted, true, expected)
        found = evaluate(evaluator, predicted, true, torch.tensor(sizes), ["forces"], found)
    assert found == expected
    assert 0 < found["energy_forces_within_threshold"]["numel"] == 9


def test_structures_without_counted_atoms():
    """Three structures of two atoms, the middle one fixed: as many free atoms as structures."""
    evaluator, natoms = Evaluator(task="ocp", eval_metrics=METRICS), torch.tensor([2, 2, 2])
    predicted, true = values([0.01, 0.01, 0.5], [2, 0, 1], 0.02), values([0.0, 0.0, 0.0], [2, 0, 1], 0.0)
    found = evaluate(evaluator, predicted, true, natoms, ["forces"], {})
    assert found["energy_mae"]["metric"] == pytest.approx(0.52 / 3)
    assert found["energy_per_atom_mae"]["metric"] == pytest.approx((0.01 / 2 + 0.01 / 2 + 0.5 / 1) / 3)
    assert found["forces_mae"]["metric"] == pytest.approx(0.02)
    assert found["forces_mae"]["numel"] == 9
    assert found["energy_forces_within_threshold"]["metric"] == pytest.approx(2 / 3)


def test_batches_without_counted_atoms_add_nothing():
    evaluator, natoms = Evaluator(task="ocp", eval_metrics=METRICS), torch.tensor([4])
    fixed = values([0.1], [0], 0.0), values([0.0], [0], 0.0)
    found = evaluate(evaluator, *fixed, natoms, ["forces"], None)
    assert np.isnan(float(found["forces_mae"]["total"] / found["forces_mae"]["numel"]))
    found = evaluate(evaluator, values([0.1], [4], 1.0), values([0.0], [4], 0.0), natoms, ["forces"], found)
    found = evaluate(evaluator, *fixed, natoms, ["forces"], found)
    assert float(found["forces_mae"]["metric"]) == pytest.approx(1.0)
    assert found["energy_per_atom_mae"]["metric"] == pytest.approx(0.1 / 4)


def test_training_on_structures_without_free_atoms(tmp_path, small_config):
    """In batches of one they have no loss of forces; validation and ``evaluate`` find the same errors."""
    frames = []
    for number in range(14):
        atoms = molecule(["H2O", "CH3OH"][number % 2])
        atoms.rattle(0.1, seed=number)
        atoms.calc = EMT()
        atoms.get_forces()
        if number % 3 == 0:
            atoms.set_constraint(FixAtoms(range(len(atoms))))
        frames.append(atoms)
    ase.io.write(tmp_path / "frames.traj", frames)
    prepare(tmp_path / "frames.traj", tmp_path / "data", format="ase", units="eV", train=6, val=4, test=4)
    config = small_config(optim={"batch_size": 1, "eval_batch_size": 1})
    for split in ("train", "val", "test"):
        config["dataset"][split] = {**config["dataset"][split], "src": str(tmp_path / "data" / split)}
    run = run_main(tmp_path, config)
    assert run.status == 0
    errors = error_metrics(predict_labels(run.checkpoint("best_checkpoint.pt"), tmp_path / "data" / "test", cpu=True))
    found = run.json("test.json")
    assert errors["n_free_atoms"] < errors["n_atoms"]
    for name in ("energy_mae", "forces_mae", "energy_per_atom_mae"):
        assert found[name] == pytest.approx(errors[name], rel=1e-5)
