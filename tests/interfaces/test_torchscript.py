"""TorchScript files of potentials give the energies and forces of the ASE calculator, with both hosts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.interfaces.export import export
from ocp_dc.interfaces.torchscript import FACTS
from ocp_dc.interfaces.trained import interaction_range, load_trained

from tests.helpers.exported import (
    NAMES,
    TOLERANCE,
    crystal,
    for_host,
    inputs,
    installed,
    molecule,
    structures,
    write_checkpoint,
)

needs_host = pytest.mark.skipif(installed() == "", reason="fairchem is not installed")
SMOOTH = {"activation": "mish", "region": "output"}
NORMS = {"insert_norm": "batchnorm", "insert_region": "full", "activation": {"name": "irelu", "coefficient": 0.5}}


def check(checkpoint: Path, out: Path, found: list[Atoms], cutoff: float = 6.0) -> None:
    """Compare the file with the calculator, for the structures in one batch."""
    calculator = ocp_dc.calculator(checkpoint, cpu=True)
    results = torch.jit.load(out)(*inputs(found, cutoff))
    results = {name: values.numpy() for name, values in results.items()}
    start = 0
    for index, atoms in enumerate(found):
        end = start + len(atoms)
        energy, forces = calculator.get_potential_energy(atoms), calculator.get_forces(atoms)
        assert results["energy"][index] == pytest.approx(energy, abs=TOLERANCE)
        assert results["energies"][start:end].sum() == pytest.approx(energy, abs=TOLERANCE)
        np.testing.assert_allclose(results["forces"][start:end], forces, rtol=1e-5, atol=TOLERANCE)
        if atoms.pbc.all() and "stress" in calculator.implemented_properties:
            stress = atoms.get_volume() * calculator.get_stress(atoms)[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
            np.testing.assert_allclose(results["virial"][index], stress, rtol=1e-5, atol=1e-4)
        start = end


@pytest.fixture(scope="module", params=NAMES)
def smooth(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of fairchem 1, best.pt, and out.pt, its export."""
    folder = tmp_path_factory.mktemp(request.param)
    export(write_checkpoint(request.param, folder / "best.pt", SMOOTH, host="1"), folder / "out.pt")
    return folder


@needs_host
def test_equal_to_the_calculator(smooth: Path) -> None:
    checkpoint = for_host(smooth / "best.pt")
    check(checkpoint, smooth / "out.pt", structures())
    check(checkpoint, smooth / "out.pt", structures()[::-1], cutoff=5.001)  # sizes other than those of the first call


@needs_host
@pytest.mark.parametrize(
    ("name", "dc"), [("dimenetplusplus", None), ("schnet", NORMS)], ids=["stock gradients", "norms in filters"]
)
def test_equal_to_the_calculator_with_other_forms(tmp_path: Path, name: str, dc: dict[str, Any] | None) -> None:
    checkpoint = write_checkpoint(name, tmp_path / "best.pt", dc)
    export(checkpoint, tmp_path / "out.pt")
    check(checkpoint, tmp_path / "out.pt", structures())


@needs_host
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("painn", {"max_neighbors": 11}),
        ("gemnet_t", {"max_neighbors": 7}),
        ("schnet", {"cutoff": 6.0}),
        ("schnet", {"use_pbc": False, "cutoff": 9.0}),
    ],
    ids=str,
)
def test_limits_of_the_neighbors(tmp_path: Path, name: str, changes: dict[str, Any]) -> None:
    checkpoint = write_checkpoint(name, tmp_path / "best.pt", **changes)
    export(checkpoint, tmp_path / "out.pt")
    search = load_trained(checkpoint).search
    large = crystal() * (3, 2, 2)  # no atom is a neighbor of its image
    large.rattle(0.05, seed=4)  # of neighbors at equal distances, rounding decides which are kept
    large.pbc = search.periodic
    degrees = torch.bincount(inputs([large], search.cutoff)[4])
    assert degrees.max() > search.max_neighbors
    check(checkpoint, tmp_path / "out.pt", [large, molecule()], cutoff=9.1)


@pytest.mark.parametrize("name", ["schnet", "dimenetplusplus"])
def test_without_periodic_boundaries_images_have_no_effect(tmp_path: Path, name: str) -> None:
    checkpoint = write_checkpoint(name, tmp_path / "best.pt", host="1", use_pbc=False)
    export(checkpoint, tmp_path / "out.pt")
    cluster = crystal()
    cluster.pbc = False
    results = [torch.jit.load(tmp_path / "out.pt")(*inputs([atoms], 5.0)) for atoms in (crystal(), cluster)]
    for key, values in results[0].items():
        torch.testing.assert_close(results[1][key], values, rtol=0, atol=TOLERANCE)


def test_forces_and_virial_are_derivatives(smooth: Path) -> None:
    module, step = torch.jit.load(smooth / "out.pt"), 0.01
    results = module(*inputs([crystal()], 6.0))
    scale = results["forces"].abs().max().item()

    def change(atoms: Atoms, other: Atoms) -> float:
        energies = [module(*inputs([each], 6.0))["energy"].item() for each in (atoms, other)]
        return (energies[0] - energies[1]) / (2 * step)

    for axis in range(3):
        up, down = crystal(), crystal()
        up.positions[1, axis] += step
        down.positions[1, axis] -= step
        assert results["forces"][1, axis].item() == pytest.approx(-change(up, down), abs=0.02 * scale)
    for a, b in ((0, 0), (0, 2), (2, 1)):
        strained = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[a, b] += sign * step / 2
            strain[b, a] += sign * step / 2
            atoms = crystal()
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            strained.append(atoms)
        size = results["virial"].abs().max().item()
        assert results["virial"][0, a, b].item() == pytest.approx(change(*strained), abs=0.02 * size)


def test_the_file_needs_neither_ocp_dc_nor_fairchem(tmp_path: Path) -> None:
    export(write_checkpoint("gemnet_t", tmp_path / "best.pt", host="1"), tmp_path / "out.pt")
    given = inputs([molecule()], 5.0)
    torch.save(given, tmp_path / "inputs.pt")
    code = f"""import sys
for name in ("ocp_dc", "fairchem", "ase", "numpy"):
    sys.modules[name] = None  # so that importing it fails
import torch
given = torch.load({str(tmp_path / "inputs.pt")!r})
print(torch.jit.load({str(tmp_path / "out.pt")!r})(*given)["energy"].item())"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    energy = torch.jit.load(tmp_path / "out.pt")(*given)["energy"].item()
    assert float(done.stdout) == pytest.approx(energy, abs=TOLERANCE)


def test_what_the_file_says_of_itself(tmp_path: Path) -> None:
    export(write_checkpoint("painn", tmp_path / "best.pt", host="1", max_neighbors=11), tmp_path / "out.pt")
    found = {FACTS: ""}
    module = torch.jit.load(tmp_path / "out.pt", _extra_files=found)
    facts = json.loads(found[FACTS])
    assert facts["elements"] == [1, 6, 8, 29]
    assert (facts["model"], facts["cutoff"], facts["max_neighbors"], facts["periodic"]) == ("PaiNN", 5.0, 11, True)
    atoms = molecule()
    atoms.numbers[2] = 7
    with pytest.raises(torch.jit.Error, match="not trained for the element with atomic number 7"):
        module(*inputs([atoms], 5.0))


def test_the_range_of_interactions(smooth: Path) -> None:
    """In a chain of edges, the energy of the first atom depends on the atoms in range, and on no others."""
    trained = load_trained(smooth / "best.pt")
    steps = round(interaction_range(trained) / trained.search.cutoff)
    length = steps + 3
    chain = Atoms("O" * length, [[2.6 * i, 0.9 * (i % 2), 0.3 * (i % 3)] for i in range(length)])
    numbers, positions, _, source, target, images, _ = inputs([chain], 2.9)  # edges between successive atoms
    weights = torch.zeros(length).index_fill(0, torch.tensor([0]), 1.0)
    edges = torch.jit.load(smooth / "out.pt").edges
    _, gradient, rows = edges(numbers, positions[source] - positions[target], source, target, images, weights)
    ends = torch.maximum(source, target)[rows]
    assert ends[gradient.abs().amax(1) > 0].max() == steps


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("cgcnn", {}, "CGCNN reads features of the elements from fairchem"),
        ("forcenet", {}, "ForceNet reads properties of the elements from fairchem"),
        ("gemnet_oc", {}, "GemNet-OC has several graphs"),
        ("schnet", {"readout": "mean"}, "is a mean over the atoms"),
        ("gemnet_t", {"extensive": False}, "is a mean over the atoms"),
    ],
)
def test_models_that_are_refused(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    checkpoint = write_checkpoint(name, tmp_path / "best.pt", host="1", **changes)
    with pytest.raises(UserError, match=message):
        export(checkpoint, tmp_path / "out.pt")
    assert not (tmp_path / "out.pt").exists()


def test_forces_with_another_scale_than_energies_are_refused(tmp_path: Path) -> None:
    checkpoint = write_checkpoint("schnet", tmp_path / "best.pt", host="1")
    content = torch.load(checkpoint, weights_only=True)
    scales = {"energy": (2.5, 0.0), "forces": (1.5, 0.0)}
    content["label_rescaling"] = None
    content["normalizers"] = {
        name: {"mean": torch.tensor(mean), "rmsd": torch.tensor(rmsd)} for name, (rmsd, mean) in scales.items()
    }
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match=r"multiply energies by 2.5 and forces by 1.5 .* not the gradient"):
        export(checkpoint, tmp_path / "out.pt")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_checkpoint("schnet", tmp_path / "best.pt", host="1")
    out = str(tmp_path / "out.pt")
    assert main(["export", str(checkpoint), out]) == 0
    assert "out.pt: SchNet as torchscript, 4 elements, cutoff 5 Å, the 50 nearest" in capsys.readouterr().out
    assert main(["export", str(checkpoint), out]) == 2
    assert "exists; name a new file" in capsys.readouterr().err
    assert main(["export", str(checkpoint), str(tmp_path / "out.pth")]) == 2
    assert "expected .pt" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"did you mean metatomic|metatomic"):
        export(checkpoint, tmp_path / "new.pt", "metatomik")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_file_on_a_gpu(smooth: Path) -> None:
    given = inputs(structures(), 6.0)
    on_cpu = torch.jit.load(smooth / "out.pt")(*given)
    on_gpu = torch.jit.load(smooth / "out.pt", map_location="cuda")(*(each.cuda() for each in given))
    for key, values in on_cpu.items():
        torch.testing.assert_close(on_gpu[key].cpu(), values, rtol=1e-5, atol=1e-4)
