"""Both ASE calculators reproduce the evaluation on the raw frames, in eV."""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from fairchem.core.common.relaxation.ase_utils import OCPCalculator

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.sample import sample_path
from ocp_dc.testing.tolerances import FLOAT32_LABEL


@pytest.fixture(scope="module")
def frames(ethanol):
    """The test frames of the split, from the source file."""
    arrays = np.load(sample_path())
    chosen = np.load(ethanol / "split.npz")["test"]
    atoms = [Atoms(numbers=arrays["nuclear_charges"], positions=arrays["coords"][i]) for i in chosen]
    return atoms, arrays["energies"][chosen], arrays["forces"][chosen]


@pytest.fixture(scope="module")
def evaluation(trained, ethanol, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluation")
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    assert main(["evaluate", checkpoint, str(ethanol / "test"), "--out", str(out / "e"), "--cpu"]) == 0
    return json.loads((out / "e" / "evaluation.json").read_text())


@pytest.mark.parametrize("kind", ["ocp_dc", "stock"])
def test_reproduce_the_evaluation(trained, frames, evaluation, kind):
    path = trained.checkpoint("best_checkpoint.pt")
    calculator = ocp_dc.calculator(path, cpu=True) if kind == "ocp_dc" else OCPCalculator(checkpoint_path=path)
    energies, forces = [], []
    for atoms in frames[0]:
        atoms.calc = calculator
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    relative, absolute = FLOAT32_LABEL
    assert np.abs(np.array(energies) - frames[1]).mean() == pytest.approx(evaluation["energy_mae"], relative, absolute)
    assert np.abs(np.array(forces) - frames[2]).mean() == pytest.approx(evaluation["forces_mae"], relative, absolute)


def test_stock_calculator_in_a_fresh_process(trained, frames):
    """Importing the plugin is all that fairchem's calculator needs; ours needs not even that."""
    script = (
        "import sys, pickle; {imports}; atoms = pickle.load(open(sys.argv[2], 'rb'));"
        "atoms.calc = {calculator}; print(repr(atoms.get_potential_energy()))"
    )
    atoms = frames[0][0].copy()
    energies = []
    path = trained.folder / "atoms.pickle"
    path.write_bytes(pickle.dumps(atoms))
    for imports, calculator in (
        (
            "import ocp_dc.fairchem1; from fairchem.core import OCPCalculator",
            "OCPCalculator(checkpoint_path=sys.argv[1])",
        ),
        ("import ocp_dc", "ocp_dc.calculator(sys.argv[1], cpu=True)"),
    ):
        command = script.format(imports=imports, calculator=calculator)
        arguments = [sys.executable, "-c", command, str(trained.checkpoint("best_checkpoint.pt")), str(path)]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        energies.append(float(done.stdout.strip().splitlines()[-1]))
    assert energies[0] == pytest.approx(energies[1], abs=1e-6)


def test_keeps_float64(trained, frames):
    """The energy has digits below the spacing of float32 at its size."""
    atoms = frames[0][0].copy()
    atoms.calc = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    energy = atoms.get_potential_energy()
    assert isinstance(energy, float)
    assert energy != float(np.float32(energy))


def test_the_level_of_logging_stays_the_users(trained):
    root = logging.getLogger()
    before = root.level
    try:
        for level in (logging.DEBUG, logging.ERROR):
            root.setLevel(level)
            ocp_dc.calculator(trained.checkpoint(), cpu=True)
            assert root.level == level
    finally:
        root.setLevel(before)


def test_training_checkpoints_predict_with_the_averaged_weights(trained, frames):
    """checkpoint.pt holds raw weights with the average beside them; the last validation used the average."""
    atoms = frames[0][0].copy()
    state = trained.load()
    calculator: Any = ocp_dc.calculator(trained.checkpoint(), cpu=True)
    weights = dict(calculator.predictor.trainer.model.named_parameters())
    names = [name for name, parameter in weights.items() if parameter.requires_grad]
    for name, shadow in zip(names, state["ema"]["shadow_params"], strict=True):
        assert np.array_equal(weights[name].detach().numpy(), shadow.numpy()), name
    atoms.calc = calculator
    assert np.isfinite(atoms.get_potential_energy())


def test_forces_belong_to_the_energy(trained, frames):
    """Through the whole chain: labels rescaled, network, and back to eV."""
    atoms = frames[0][0].copy()
    atoms.calc = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    forces, step = atoms.get_forces(), 1e-2
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[2, 1] += sign * step
        moved.calc = atoms.calc
        energies.append(moved.get_potential_energy())
    # float32 inside: a difference of 1e-7 of the centered energy over a step of 0.02 Å
    assert forces[2, 1] == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=1e-2, abs=2e-3)


def test_an_unseen_element_is_an_error(trained):
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [0, 0, 2.4]])
    atoms.calc = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    with pytest.raises(UserError, match=r"no reference energy for atomic numbers \[11, 17\]"):
        atoms.get_potential_energy()


def test_a_stock_trainer_undoes_the_rescaling_too(trained, frames, evaluation):
    """The checkpoint holds the numbers in fairchem's own form: its own trainer comes back to eV, in float32."""
    calculator = OCPCalculator(checkpoint_path=trained.checkpoint("best_checkpoint.pt"), trainer="ocp")
    ours = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    first, second = frames[0][0].copy(), frames[0][0].copy()
    first.calc, second.calc = calculator, ours
    assert first.get_potential_energy() == pytest.approx(second.get_potential_energy(), abs=1e-3)
    np.testing.assert_allclose(first.get_forces(), second.get_forces(), rtol=1e-4, atol=1e-5)
