"""Training by the stress, and what its checkpoints are good for: cell relaxation and dynamics at constant pressure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.singlepoint import SinglePointCalculator
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.md.nptberendsen import NPTBerendsen
from ase.optimize import BFGS

import ocp_dc
from ocp_dc.data.prepare import prepare
from ocp_dc.core.errors import UserError

from tests.helpers.runs import MODEL, SCN, Run, run_main

DIRECT = {"name": "dc_scn", **SCN, "use_pbc": True}


def crystal(seed: int) -> Atoms:
    """Return a strained and rattled crystal of copper and gold with the labels of EMT."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True)
    atoms.numbers[rng.integers(0, 4)] = 79
    strain = rng.normal(0, 0.03, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
    atoms.positions += rng.normal(0, 0.05, (4, 3))
    atoms.calc = EMT()
    labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crystals")
    write(folder / "all.xyz", [crystal(seed) for seed in range(60)])
    prepare(folder / "all.xyz", folder / "data", format="ase", train=40, val=10, test=10, to="oc20", progress=False)
    return folder / "data"


@pytest.fixture(scope="module")
def config(crystals: Path, small_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def make(stress: float = 100.0, **model: Any) -> dict[str, Any]:
        made = small_config(model={**MODEL, "use_pbc": True, "dc": {"activation": "irelu"}, **model})
        for split in ("train", "val", "test"):
            made["dataset"][split]["src"] = str(crystals / split)
        made["outputs"]["stress"] = {"level": "system"}
        made["loss_functions"].append({"stress": {"fn": "mae", "coefficient": stress}})
        made["optim"] |= {"max_epochs": 20, "lr_initial": 3e-3, "ema_decay": 0.9, "scheduler": "OneCycleLR"}
        return made

    return make


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, config: Callable[..., dict[str, Any]]) -> Run:
    found = run_main(tmp_path_factory.mktemp("run"), config())
    assert found.status == 0
    return found


def test_the_error_falls(run: Run) -> None:
    """In physical units, on structures that were not trained on."""
    rows = run.validations()
    name = "stress_mae [eV/Å^3]"
    assert float(rows[-1][name]) < 0.5 * float(rows[0][name])


@pytest.fixture(scope="module")
def calculator(run: Run) -> Any:
    return ocp_dc.calculator(run.checkpoint("best_checkpoint.pt"), cpu=True)


def test_the_sign_is_that_of_the_labels(calculator: Any) -> None:
    """EMT's, which are ase's: positive under tension."""
    for factor, sign in ((0.97, -1), (1.04, 1)):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell.array * factor, scale_atoms=True)
        for calc in (EMT(), calculator):
            atoms.calc = calc
            assert (sign * atoms.get_stress()[:3] > 0).all()
            assert sign * (atoms.get_stress() - numerical(atoms))[0] < 0.1 * abs(numerical(atoms)[0])


def numerical(atoms: Atoms) -> np.ndarray:
    return calculate_numerical_stress(atoms, eps=1e-3)


@pytest.mark.parametrize("accelerate", ["native", "off"])
def test_derivative_of_the_predicted_energy(run: Run, accelerate: str, tmp_path: Path) -> None:
    """By ase's central differences; the routes are those of ``dc.accelerate``."""
    checkpoint = run.load("best_checkpoint.pt")
    checkpoint["config"]["model"]["dc"]["accelerate"] = accelerate
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    atoms = crystal(100)
    atoms.calc = ocp_dc.calculator(tmp_path / "checkpoint.pt", cpu=True)
    assert "stress" in atoms.calc.implemented_properties
    stress = atoms.get_stress()
    assert stress.dtype == np.float64
    np.testing.assert_allclose(stress, numerical(atoms), atol=0.01 * np.abs(stress).max())
    np.testing.assert_allclose(atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-3), atol=5e-3)


def test_structures_without_a_stress(calculator: Any) -> None:
    """A slab or a molecule has none, in a batch with a crystal, too."""
    slab = crystal(0)
    slab.pbc = [True, True, False]
    molecule = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])
    alone = calculator.predictor.predict([crystal(1)])["stress"]
    found = calculator.predictor.predict([slab, crystal(1), molecule])["stress"]
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_allclose(found[1], alone[0], rtol=1e-3, atol=1e-5)
    assert np.isnan(calculator.predictor.predict([molecule])["stress"]).all()
    slab.calc = calculator
    assert np.isfinite(slab.get_potential_energy())
    with pytest.raises(PropertyNotImplementedError, match="periodic along all three vectors"):
        slab.get_stress()


def test_relaxation_of_a_cell(calculator: Any) -> None:
    """It lowers the energy, and reaches its criterion for forces and stress."""
    atoms = crystal(101)
    atoms.calc = calculator
    before = atoms.get_potential_energy()
    with BFGS(FrechetCellFilter(atoms), logfile=None) as optimizer:
        assert optimizer.run(fmax=0.005, steps=200)
    assert atoms.get_potential_energy() < before - 0.01
    assert np.abs(atoms.get_stress()).max() < 1e-3
    assert 3.4 < atoms.cell.volume ** (1 / 3) < 4.2


def test_dynamics_at_constant_pressure(calculator: Any) -> None:
    """Under pressure the volume falls, and nothing flies apart."""
    atoms = crystal(102) * (2, 1, 1)
    atoms.calc = calculator
    deviations = np.sqrt(atoms.get_masses() * 100 * units.kB)[:, None]
    atoms.set_momenta(np.random.default_rng(0).normal(size=(len(atoms), 3)) * deviations)
    volumes = []
    for pressure in (0.0, 10.0):
        dynamics = NPTBerendsen(
            atoms,
            timestep=2 * units.fs,
            temperature_K=100,
            pressure_au=pressure * units.GPa,
            taut=50 * units.fs,
            taup=100 * units.fs,
            compressibility_au=1 / (140 * units.GPa),
        )
        dynamics.run(150)
        volumes.append(atoms.cell.volume)
    assert volumes[1] < 0.99 * volumes[0]
    assert np.isfinite(atoms.get_potential_energy())


def test_a_checkpoint_without_a_stress_in_its_loss(
    tmp_path: Path, config: Callable[..., dict[str, Any]]
) -> None:
    """Its calculator has the stress all the same, in physical units."""
    made = config()
    del made["outputs"]["stress"], made["loss_functions"][2]
    made["optim"]["max_epochs"] = 1
    run = run_main(tmp_path, made)
    assert "stress" not in run.load()["config"]["outputs"]
    atoms = crystal(100)
    atoms.calc = ocp_dc.calculator(run.checkpoint(), cpu=True)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, numerical(atoms), atol=0.01 * np.abs(stress).max())


def test_factors_of_fairchem(tmp_path: Path, config: Callable[..., dict[str, Any]]) -> None:
    """Without label rescaling, a stress that was not trained on has fairchem's factor of the energies."""
    made = config()
    del made["outputs"]["stress"], made["loss_functions"][2]
    made["optim"]["max_epochs"] = 1
    scale = {"mean": 1.0, "rmsd": 2.5}
    made["dataset"]["train"]["transforms"] = {
        "normalizer": {"energy": scale, "forces": {**scale, "mean": 0.0}}
    }
    run = run_main(tmp_path, made)
    atoms = crystal(100)
    atoms.calc = ocp_dc.calculator(run.checkpoint(), cpu=True)
    stress = atoms.get_stress()
    np.testing.assert_allclose(stress, numerical(atoms), atol=0.01 * np.abs(stress).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_pbc": False}, r"model.use_pbc: got false, but outputs asks for stress"),
        ({"regress_forces": False}, r"model.regress_forces: got false, but outputs asks for (forces|stress)"),
        (DIRECT, r"outputs.stress: dc_scn has no stress: its forces are not the derivatives of its energy"),
    ],
)
def test_models_without_one(
    tmp_path: Path,
    config: Callable[..., dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    made = config()
    made["model"] = {**made["model"], **change} if "name" not in change else change
    assert run_main(tmp_path, made).status != 0
    assert re.search(message, capsys.readouterr().err)


def test_structures_without_the_label(
    tmp_path: Path, config: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    made = [crystal(seed) for seed in range(4)]
    for atoms in made:
        del atoms.calc.results["stress"]
    write(tmp_path / "all.xyz", made)
    prepare(tmp_path / "all.xyz", tmp_path / "data", format="ase", train=3, val=1, test=0, to="oc20", progress=False)
    changed = config()
    changed["dataset"]["train"]["src"] = str(tmp_path / "data" / "train")
    assert run_main(tmp_path, changed).status != 0
    assert "outputs.stress: the data have no label of this name" in capsys.readouterr().err
