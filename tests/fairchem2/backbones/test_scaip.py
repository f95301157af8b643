"""EScAIP and AllScAIP: what fairchem's own classes lack."""

from __future__ import annotations

import pytest
import torch
from fairchem.core.models.base import HydraModel

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.dc_model import DCHydraModel

from tests.helpers.fairchem2_hydras import arguments, batch, hydra_model, structures

STOCK = {
    "escaip": ("escaip.EScAIP.EScAIP", {"efs": {"module": "EScAIP_grad_energy_force_stress_head"}}),
    "allscaip": ("allscaip.AllScAIP.AllScAIP", {"efs": {"module": "AllScAIP_grad_energy_force_stress_head"}}),
}
NAMES = pytest.mark.parametrize("name", ["escaip", "allscaip"])


def stock(name: str, **head: object) -> HydraModel:
    """The model of fairchem's own classes."""
    given = arguments(name)
    path = f"fairchem.core.models.{STOCK[name][0]}"
    given["backbone"]["model"] = f"{path}Backbone"
    given["heads"] = {"efs": {"module": f"{path}GradientEnergyForceStressHead", **head}}
    torch.manual_seed(0)
    return HydraModel(**given)


@NAMES
def test_results_and_parameters_are_those_of_fairchem(name: str) -> None:
    """fairchem's head fails with its own default."""
    theirs, ours = stock(name, wrap_property=False).eval(), hydra_model(name).eval()
    assert theirs.state_dict().keys() == ours.state_dict().keys()
    expected, found = theirs(batch()), ours(batch())
    assert torch.equal(found["energy"]["energy"], expected["energy"])
    assert torch.equal(found["forces"]["forces"], expected["forces"])
    with pytest.raises(AttributeError, match="shape"):
        stock(name)(batch())


@NAMES
def test_every_trained_parameter_has_a_gradient(name: str) -> None:
    """DDP stops at one that has none."""
    model = hydra_model(name)
    out = model(batch())
    (out["energy"]["energy"].sum() + out["forces"]["forces"].square().sum()).backward()
    assert [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@NAMES
def test_names_of_outputs_with_a_prefix(name: str) -> None:
    given = arguments(name)
    given["heads"]["efs"]["prefix"] = "data"
    out = DCHydraModel(**given)(batch())
    assert {key: list(values) for key, values in out.items()} == {"data_energy": ["energy"], "data_forces": ["forces"]}


@NAMES
def test_stress(name: str) -> None:
    """The stress is the derivative of the energy with respect to a strain, divided by the volume."""
    model = hydra_model(name, regress_stress=True).eval()
    with torch.no_grad():  # larger forces, for the differences in float32
        for weight in model.parameters():
            weight.mul_(1.3)
    atoms = structures()[0]
    atoms.pbc = True
    out = model(batch(molecules=[atoms]))
    stress = out["stress"]["stress"].detach().view(3, 3)
    step, energies = 3e-3, []
    for sign in (1, -1):
        moved = atoms.copy()
        strain = torch.eye(3, dtype=torch.float64).numpy()
        strain[0, 0] += sign * step
        moved.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
        energies.append(float(model(batch(molecules=[moved]))["energy"]["energy"].detach()))
    expected = (energies[0] - energies[1]) / (2 * step * atoms.get_volume())
    assert float(stress[0, 0]) == pytest.approx(expected, rel=2e-2)


@NAMES
def test_a_list_of_frequencies_that_does_not_fit(name: str) -> None:
    """fairchem finds it at the first batch, by an assertion."""
    with pytest.raises(
        UserError, match=r"\[20, 10, 4, 10, 20\], which adds up to 64, expected .*16 / 2 = 8.*\[4, 2, 2\]"
    ):
        hydra_model(name, freequency_list=[20, 10, 4, 10, 20])


def test_frequencies_that_are_not_used_are_not_checked() -> None:
    hydra_model("escaip", freequency_list=[1], use_frequency_embedding=False)
    hydra_model("allscaip", freequency_list=[8])
