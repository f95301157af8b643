"""Checkpoints of fairchem 1, converted, give the same energies and forces by fairchem 2's own calculator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from fairchem.core.calculate.ase_calculator import FAIRChemCalculator
from fairchem.core.units.mlip_unit import load_predict_unit

from ocp_dc.checkpoints.convert import convert_checkpoint
from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint
from ocp_dc.checkpoints.models import MODELS
from ocp_dc.checkpoints.saved_potential import build_potential
from ocp_dc.data.safe_npz import load_npz
from ocp_dc.data.sample import sample_path
from ocp_dc.fairchem2.infer.predict_unit import trusted_predict_unit
from ocp_dc.models.shared_names import with_second_names
from ocp_dc.testing.tolerances import FLOAT32_BATCH

from tests.helpers.atomic_batches import batch_of, brute_force_edges, ethanol
from tests.helpers.old_checkpoints import (
    ARGUMENTS,
    SCALES,
    checkpoint,
    draw_weights,
    model_named,
    old_checkpoint,
)

OLD_RUNS = Path(__file__).parents[2] / "old_runs" / "0.1.0"
REFERENCES = {1: -13.6, 6: -1030.0, 8: -2040.0}  # eV
DC = {"activation": {"name": "irelu", "coefficient": 0.5}, "region": "output"}


def calculator(path: Path) -> FAIRChemCalculator:
    """The calculator of fairchem, by fairchem's own reading of the file."""
    return FAIRChemCalculator(load_predict_unit(str(path), inference_settings="traineval", device="cpu"))


@pytest.mark.parametrize("file", ["best_checkpoint.pt", "checkpoint.pt"])
@pytest.mark.parametrize("name", ["schnet", "cgcnn"])
def test_runs_of_fairchem1(tmp_path: Path, name: str, file: str) -> None:
    """Of a run on fairchem 1.10 the numbers are known; checkpoint.pt has last weights, and averages beside them."""
    convert_checkpoint(OLD_RUNS / name / file, tmp_path / "new.pt")
    sample, calc = load_npz(sample_path()), calculator(tmp_path / "new.pt")
    expected = json.loads((OLD_RUNS / name / "predictions.json").read_text())
    for coords, numbers in zip(sample["coords"], expected, strict=False):
        atoms = Atoms(sample["nuclear_charges"], coords, calculator=calc)
        assert atoms.get_potential_energy() == pytest.approx(numbers["energy"], rel=1e-9, abs=1e-5)
        np.testing.assert_allclose(atoms.get_forces(), numbers["forces"], *FLOAT32_BATCH)


def bare(name: str, dc: dict[str, Any] | None = None) -> Any:
    torch.manual_seed(3)
    model, widths = model_named(name), {"embedding_fc.weight": torch.zeros(16, 92)}
    potential = build_potential(model, ARGUMENTS[name], dc, widths)
    draw_weights(potential)
    return potential.eval()


def expected(potential: Any, atoms: Atoms) -> tuple[float, np.ndarray]:
    """Energy and forces of the bare potential, with edges found by brute force, in the normalizers' units."""
    batch = batch_of([atoms], torch.float32)
    graph = potential.build_graph(brute_force_edges(batch, potential.cutoff, use_pbc=False))
    energy, forces = potential.energy_and_forces(batch.atomic_numbers.long(), batch.pos, graph)
    return float(energy.detach().double()), forces.detach().double().numpy()


def save(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("layout", [checkpoint, old_checkpoint], ids=["1.10", "before 1.0"])
@pytest.mark.parametrize("name", ["schnet", "dimenetplusplus", "gemnet_t", "painn"])
def test_layouts(tmp_path: Path, name: str, layout: Any) -> None:
    dc = {"dc": {"force_gradients": "exact"}} if name == "painn" else {}
    potential = bare(name)
    options = {"use_pbc": False, "direct_forces": False} if name in ("gemnet_t", "painn") else {"use_pbc": False}
    source = save(layout(name, potential.state_dict(), **options, **dc), tmp_path / "old.pt")
    assert model_named(name).title in convert_checkpoint(source, tmp_path / "new.pt")
    atoms = ethanol()
    if name == "dimenetplusplus":  # fairchem's forces of a stock model
        potential.angle_gradients = "stock"
    energy, forces = expected(potential, atoms)
    atoms.calc = calculator(tmp_path / "new.pt")
    (rmsd, mean), (force_rmsd, _) = SCALES["energy"], SCALES["forces"]
    assert atoms.get_potential_energy() == pytest.approx(energy * rmsd + mean, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(atoms.get_forces(), forces * force_rmsd, *FLOAT32_BATCH)


@pytest.mark.parametrize("center", ["references", "mean"])
def test_label_rescaling_and_dc(tmp_path: Path, center: str) -> None:
    """The center is added in float64: in float32, energies near -1e5 eV have a spacing of 8 meV."""
    potential, atoms = bare("schnet", DC), ethanol()
    table = torch.full((9,), torch.nan, dtype=torch.float64)
    for number, value in REFERENCES.items():
        table[number] = value
    mean, references = (0.0, table) if center == "references" else (-98765.4321, None)
    content = checkpoint("dc_schnet", potential.state_dict(), use_pbc=False, dc=DC)
    content["label_rescaling"] = {"scale": 0.7, "mean": mean, "references": references}
    convert_checkpoint(save(content, tmp_path / "old.pt"), tmp_path / "new.pt")
    energy, forces = expected(potential, atoms)
    offset = mean if references is None else sum(REFERENCES[number] for number in atoms.numbers)
    for unit in (
        load_predict_unit(str(tmp_path / "new.pt"), inference_settings="traineval", device="cpu"),
        trusted_predict_unit(tmp_path / "new.pt"),
    ):
        atoms.calc = FAIRChemCalculator(unit)
        assert atoms.get_potential_energy() == pytest.approx(energy * 0.7 + offset, rel=0, abs=1e-5)
        np.testing.assert_allclose(atoms.get_forces(), forces * 0.7, *FLOAT32_BATCH)
    config = read_inference_checkpoint(tmp_path / "new.pt").model_config
    assert config["dc"] == DC
    for element in ("N2", "Si2"):  # within the table and beyond it
        unknown = Atoms(element, [[0, 0, 0], [0, 0, 1.1]], calculator=atoms.calc)
        assert np.isnan(unknown.get_potential_energy()) == (references is not None)


@pytest.mark.parametrize("name", [model.name for model in MODELS])
def test_every_model_loads(tmp_path: Path, name: str) -> None:
    """Each backbone takes the arguments and the weights of its potential."""
    dc = {"force_gradients": "exact"} if name == "painn" else {"denormalize": "all"} if name == "cgcnn" else None
    potential = bare(name, None if name == "painn" else dc)
    options = {"direct_forces": False} if name == "painn" else {}
    content = checkpoint(f"dc_{name}", potential.state_dict(), dc=dc, max_neighbors=30, **options)
    if name in ("schnet", "dimenetplusplus"):
        del content["config"]["model"]["max_neighbors"]
    convert_checkpoint(save(content, tmp_path / "old.pt"), tmp_path / "new.pt")
    unit = trusted_predict_unit(tmp_path / "new.pt")
    found = with_second_names(unit.model.module.backbone.potential.state_dict(), potential)
    assert found.keys() == potential.state_dict().keys()
    assert all(torch.equal(found[key], value) for key, value in potential.state_dict().items())
