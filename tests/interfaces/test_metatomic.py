"""Models of metatomic give the energies, forces and stresses of the calculator and of the TorchScript file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

import ocp_dc
from ocp_dc.interfaces.export import export

from tests.helpers.exported import (
    NAMES,
    TOLERANCE,
    box,
    crystal,
    for_host,
    inputs,
    installed,
    molecule,
    structures,
    write_checkpoint,
)

pytestmark = pytest.mark.filterwarnings("default")  # of metatomic and what it imports
metatomic = pytest.importorskip("metatomic.torch")
metatomic_ase = pytest.importorskip("metatomic_ase")


@pytest.fixture(scope="module", params=NAMES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint, best.pt, its export for metatomic, out.pt, and as TorchScript, functions.pt."""
    folder = tmp_path_factory.mktemp(request.param)
    dc = {"activation": "mish", "region": "output"}
    checkpoint = write_checkpoint(request.param, folder / "best.pt", dc, host="1")
    export(checkpoint, folder / "out.pt", "metatomic")
    export(checkpoint, folder / "functions.pt")
    return folder


def calculator(exported: Path) -> Any:
    return metatomic_ase.MetatomicCalculator(exported / "out.pt", device="cpu", check_consistency=True)


def test_equal_to_the_torchscript_file(exported: Path) -> None:
    module, calc = torch.jit.load(exported / "functions.pt"), calculator(exported)
    for atoms in structures():
        found = {name: values.numpy() for name, values in module(*inputs([atoms], 5.0)).items()}
        assert calc.get_potential_energy(atoms) == pytest.approx(found["energy"][0], abs=TOLERANCE)
        np.testing.assert_allclose(calc.get_forces(atoms), found["forces"], rtol=1e-5, atol=TOLERANCE)
        np.testing.assert_allclose(calc.get_potential_energies(atoms), found["energies"], rtol=0, atol=TOLERANCE)
        if atoms.pbc.all():
            stress = found["virial"][0] / atoms.get_volume()
            np.testing.assert_allclose(calc.get_property("stress", atoms)[:3], np.diag(stress), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(installed() == "", reason="fairchem is not installed")
def test_equal_to_the_calculator(exported: Path) -> None:
    ours, theirs = ocp_dc.calculator(for_host(exported / "best.pt"), cpu=True), calculator(exported)
    for atoms in structures():
        assert theirs.get_potential_energy(atoms) == pytest.approx(ours.get_potential_energy(atoms), abs=TOLERANCE)
        np.testing.assert_allclose(theirs.get_forces(atoms), ours.get_forces(atoms), rtol=1e-5, atol=TOLERANCE)


def evaluate(exported: Path, found: list[Atoms], kind: str, selected: list[list[int]] | None) -> tuple[Any, Any, Any]:
    """Energies, and the derivative of their sum by the positions, as an engine computes them."""
    from metatensor.torch import Labels
    from vesin.metatomic import compute_requested_neighbors

    model = metatomic.load_atomistic_model(str(exported / "out.pt"))
    systems = metatomic.systems_to_torch(found, dtype=torch.float64)
    for system in systems:
        system.positions.requires_grad_(True)
    compute_requested_neighbors(systems, "angstrom", model, check_consistency=True)
    labels = None if selected is None else Labels(["system", "atom"], torch.tensor(selected, dtype=torch.int32))
    options = metatomic.ModelEvaluationOptions(
        length_unit="angstrom",
        outputs={"energy": metatomic.ModelOutput(unit="eV", sample_kind=kind)},
        selected_atoms=labels,
    )
    block = model(systems, options, check_consistency=True)["energy"].block()
    gradients = torch.autograd.grad(block.values.sum(), [system.positions for system in systems])
    return block.values[:, 0].detach(), block.samples.values, gradients


@pytest.mark.parametrize("kind", ["system", "atom"])
def test_domains_add_up(exported: Path, kind: str) -> None:
    """As in LAMMPS with several processes, each of which counts the energies of its atoms."""
    found = [crystal(), box()]
    parts = [[[0, 0], [0, 3], [1, 1]], [[0, 1], [0, 2], [1, 0], [1, 2]]]
    energies, _, gradients = evaluate(exported, found, kind, None)
    some = [evaluate(exported, found, kind, part) for part in parts]
    assert sum(each[0].sum() for each in some).item() == pytest.approx(energies.sum().item(), abs=TOLERANCE)
    for system, gradient in enumerate(gradients):
        together = some[0][2][system] + some[1][2][system]
        torch.testing.assert_close(together, gradient, rtol=1e-5, atol=TOLERANCE)
    if kind == "atom":
        assert [each[1].tolist() for each in some] == parts


def test_the_gradient_of_some_atoms(exported: Path) -> None:
    """The derivative of the energies of two atoms, by finite differences."""
    step, selected = 0.01, [[0, 0], [0, 5]]
    gradient = evaluate(exported, [molecule()], "system", selected)[2][0]
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            moved = molecule()
            moved.positions[3, axis] += sign * step
            energies.append(evaluate(exported, [moved], "system", selected)[0].sum().item())
        expected = (energies[0] - energies[1]) / (2 * step)
        assert gradient[3, axis].item() == pytest.approx(expected, abs=0.02 * gradient.abs().max().item())
