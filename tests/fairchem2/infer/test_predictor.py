"""Predictions of a checkpoint for an aselmdb, compared with the bare potential."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from ocp_dc.core.errors import UserError
from ocp_dc.data.ase_lmdb.reader import AseLmdbReader
from ocp_dc.data.ase_lmdb.rows import Row
from ocp_dc.data.ase_lmdb.writer import write_aselmdb
from ocp_dc.evaluation.metrics import error_metrics
from ocp_dc.fairchem2.infer.checkpoint import read_inference_checkpoint
from ocp_dc.fairchem2.infer.predictor import Predictor
from ocp_dc.hosts import host_for
from ocp_dc.models.schnet import SchNet
from ocp_dc.models.shared_names import with_second_names
from ocp_dc.nn import IReLU, activation
from ocp_dc.training.checkpoint_origin import host_of_checkpoint

from tests.helpers.atomic_batches import batch_of, brute_force_edges
from tests.helpers.atomic_batches import ethanol as ethanol_molecule
from tests.helpers.predictions import predict_labels

pytestmark = pytest.mark.slow
PREFIX = "backbone.potential."


def bare_outputs(checkpoint: Path, structures: list[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Energies and forces of the potential alone, in float64, put into eV by hand."""
    content = read_inference_checkpoint(checkpoint)
    energy_task, forces_task = content.tasks_config
    scale = energy_task["normalizer"]["rmsd"]
    assert forces_task["normalizer"]["rmsd"] == scale
    references = np.array(energy_task["element_references"]["element_references"]["_args_"][0])
    arguments = {
        k: v for k, v in content.model_config["backbone"].items() if k not in ("model", "use_pbc", "regress_stress")
    }
    potential = SchNet(**arguments)
    for interaction in potential.interactions:
        interaction.act = activation("mish")
        interaction.mlp[1] = activation("mish")
    potential.act = IReLU(0.25)
    weights = {name.removeprefix(PREFIX): value for name, value in content.weights.items() if name.startswith(PREFIX)}
    potential.load_state_dict(with_second_names(weights, potential))
    potential.double().eval()
    batch = batch_of(structures)
    graph = potential.build_graph(brute_force_edges(batch, potential.cutoff))
    energy, forces = potential.energy_and_forces(batch.atomic_numbers.long(), batch.pos, graph)
    centers = np.array([references[atoms.numbers].sum() for atoms in structures])
    return scale * energy.detach().numpy()[:, 0] + centers, scale * forces.detach().numpy()


@pytest.fixture(scope="module")
def structures(ethanol):
    with AseLmdbReader(ethanol / "test") as reader:
        return [Atoms(frame.numbers, frame.positions) for frame in reader]


def test_predictions_are_those_of_the_potential(checkpoint, ethanol, structures):
    predictions = predict_labels(checkpoint, ethanol / "test", batch_size=4, cpu=True)
    energies, forces = bare_outputs(checkpoint, structures)
    np.testing.assert_allclose(predictions.energy_pred, energies, atol=2e-5)
    np.testing.assert_allclose(predictions.forces_pred, forces, atol=2e-5)
    assert predictions.forces_pred.std() > 0.01


def test_charge_and_spin_are_whole_numbers(checkpoint, structures):
    predictor = Predictor(checkpoint, cpu=True)
    plain, same, other = (structures[0].copy() for _ in range(3))
    same.info["charge"] = 0.0
    assert predictor.predict([same])["energy"] == predictor.predict([plain])["energy"]
    for value in (0.5, float("nan"), "1", True):
        other.info["spin"] = value
        with pytest.raises(UserError, match=r"spin: got .*, expected a whole number"):
            predictor.predict([other])


def write(folder: Path, atoms: Atoms, **more: Any) -> None:
    row = {"numbers": atoms.numbers, "positions": atoms.positions, "cell": np.zeros((3, 3)), "pbc": [False] * 3}
    labels = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}
    write_aselmdb(folder / "data.aselmdb", [Row({**row, **labels, **more}, {})])


def test_labels_keep_float64_and_fixed_atoms_do_not_count(checkpoint, tmp_path):
    energy, forces = -123456.000123456, np.full((9, 3), 1 / 3)
    constraint = {"name": "FixAtoms", "kwargs": {"indices": [0, 4]}}
    write(tmp_path, ethanol_molecule(), energy=energy, forces=forces, constraints=[constraint])
    predictions = predict_labels(checkpoint, tmp_path, cpu=True)
    assert predictions.energy_true.tolist() == [energy]
    np.testing.assert_array_equal(predictions.forces_true, forces)
    assert np.flatnonzero(~predictions.free).tolist() == [0, 4]
    assert predictions.ids == ["0_0"]  # the first row of the first file


def test_the_first_structures(checkpoint, ethanol):
    predictions = predict_labels(checkpoint, ethanol / "test", cpu=True, first_n=3)
    with AseLmdbReader(ethanol / "test") as reader:
        frames = [reader.frame(index) for index in range(3)]
    assert predictions.ids == [f"{frame.sid}_{frame.fid}" for frame in frames]
    assert predictions.energy_true.tolist() == [frame.energy for frame in frames]


def test_errors_are_those_of_the_test_at_the_end_of_the_run(checkpoint, trained, ethanol):
    found = error_metrics(predict_labels(checkpoint, ethanol / "test", cpu=True))
    written = json.loads((trained / "results" / "test.json").read_text())
    assert found["energy_mae"] == pytest.approx(written["energy_mae"], rel=1e-4)
    assert found["forces_mae"] == pytest.approx(written["forces_mae"], rel=1e-4)


def test_the_host_of_the_checkpoint(checkpoint):
    assert host_of_checkpoint(checkpoint) == "fairchem2"
    assert host_for(checkpoint).name == "fairchem2"


def test_an_element_without_a_reference(checkpoint, tmp_path):
    write(tmp_path, Atoms("Au2", [[0, 0, 0], [0, 0, 2.5]]))
    with pytest.raises(UserError, match=r"energy is not finite for Au2.*An element may be missing"):
        predict_labels(checkpoint, tmp_path, cpu=True)


def test_predictions_are_arrays_in_float64(checkpoint, structures):
    found = Predictor(checkpoint, cpu=True).predict(structures[:2])
    assert {values.dtype for values in found.values()} == {np.dtype(np.float64)}
    assert found["energy"].shape == (2,)
    assert found["forces"].shape == (len(structures[0]) + len(structures[1]), 3)
    assert np.isnan(found["stress"]).all()  # of molecules
