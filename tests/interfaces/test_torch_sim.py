"""The model for torch-sim gives the energies, forces and stresses of the calculator, for batches of structures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ocp_dc
from ocp_dc.core.errors import UserError
from ocp_dc.interfaces.export import export

from tests.helpers.exported import (
    NAMES,
    TOLERANCE,
    apart,
    box,
    crystal,
    for_host,
    inputs,
    installed,
    molecule,
    write_checkpoint,
)

ts = pytest.importorskip("torch_sim")
pytestmark = pytest.mark.filterwarnings("default")  # of torch-sim and what it imports


@pytest.fixture(scope="module", params=[*NAMES, "mean"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, changes = ("schnet", {"readout": "mean"}) if request.param == "mean" else (request.param, {})
    path = tmp_path_factory.mktemp(request.param) / "best.pt"
    return write_checkpoint(name, path, {"activation": "mish", "region": "output"}, host="1", **changes)


def model(checkpoint: Path, **options: Any) -> Any:
    from ocp_dc.interfaces.torch_sim import TorchSimModel

    return TorchSimModel(checkpoint, "cpu", **options)


@pytest.mark.skipif(installed() == "", reason="fairchem is not installed")
def test_equal_to_the_calculator(checkpoint: Path) -> None:
    calculator, ours = ocp_dc.calculator(for_host(checkpoint), cpu=True), model(checkpoint)
    for found in ([molecule(), apart()], [crystal(), box()]):
        results = {key: value.numpy() for key, value in ours(ts.io.atoms_to_state(found, "cpu", ours.dtype)).items()}
        start = 0
        for index, atoms in enumerate(found):
            end = start + len(atoms)
            assert results["energy"][index] == pytest.approx(calculator.get_potential_energy(atoms), abs=TOLERANCE)
            np.testing.assert_allclose(
                results["forces"][start:end], calculator.get_forces(atoms), rtol=1e-5, atol=TOLERANCE
            )
            if not atoms.pbc.any():
                assert not results["stress"][index].any()
            elif "stress" in calculator.implemented_properties:
                stress = calculator.get_stress(atoms)[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3)
                np.testing.assert_allclose(results["stress"][index], stress, rtol=1e-5, atol=TOLERANCE)
            start = end


def test_checkpoints_of_both_hosts(checkpoint: Path, tmp_path: Path) -> None:
    from ocp_dc.checkpoints.convert import convert_checkpoint

    convert_checkpoint(checkpoint, tmp_path / "new.pt")
    first, second = model(checkpoint), model(tmp_path / "new.pt")
    state = ts.io.atoms_to_state([crystal(), box()], "cpu", torch.float64)
    for key, values in first(state).items():
        assert torch.equal(second(state)[key], values)


def test_equal_to_the_exported_file(tmp_path: Path) -> None:
    checkpoint = write_checkpoint("painn", tmp_path / "best.pt", host="1")
    export(checkpoint, tmp_path / "out.pt")
    expected = torch.jit.load(tmp_path / "out.pt")(*inputs([crystal(), box()], 5.0))
    found = model(checkpoint)(ts.io.atoms_to_state([crystal(), box()], "cpu", torch.float64))
    for key in ("energy", "forces"):
        torch.testing.assert_close(found[key], expected[key], rtol=1e-5, atol=TOLERANCE)
    without = model(checkpoint, compute_stress=False)(ts.io.atoms_to_state([crystal()], "cpu", torch.float64))
    assert set(without) == {"energy", "forces"}


def test_the_contract_of_torch_sim(tmp_path: Path) -> None:
    """With a cutoff at which no atom has too many neighbors: of those at equal distances it takes the first ones."""
    from torch_sim.models.interface import validate_model_outputs

    ours = model(write_checkpoint("schnet", tmp_path / "best.pt", host="1", cutoff=4.5))
    ours.references.zero_()  # the contract uses other elements
    validate_model_outputs(ours, ours.device, ours.dtype)


def test_dynamics_keep_the_energy(tmp_path: Path) -> None:
    ours = model(write_checkpoint("painn", tmp_path / "best.pt", {"activation": "mish"}, host="1"))
    state = ts.io.atoms_to_state([molecule(), molecule()], "cpu", torch.float64)
    before = ours(state)["energy"]
    final = ts.integrate(state, ours, integrator=ts.Integrator.nve, n_steps=50, temperature=0, timestep=0.0002)
    momenta, masses = final.momenta, final.masses
    kinetic = (momenta.square().sum(1) / (2 * masses)).view(2, -1).sum(1)
    change = final.energy - before
    assert change.abs().max() > 1e-3
    torch.testing.assert_close(change + kinetic, torch.zeros(2, dtype=torch.float64), rtol=0, atol=0.02)


def test_unknown_elements(tmp_path: Path) -> None:
    atoms = molecule()
    atoms.numbers[0] = 7
    ours = model(write_checkpoint("schnet", tmp_path / "best.pt", host="1"))
    with pytest.raises(UserError, match="not trained for N"):
        ours(ts.io.atoms_to_state([atoms], "cpu", ours.dtype))
