"""The stress of every model, native and by fairchem's own forward pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from ase import Atoms
from torch import Tensor

from ocp_dc.fairchem1.wrappers.stress import is_conservative, return_stress, why_no_stress

from tests.helpers.every_model import CASES, batch_of, build, in_float64, wrapper
from tests.helpers.native_structures import structures

IRELU = {"activation": "irelu", "region": "output"}
NATIVE = ("dc_cgcnn", "dc_dimenetplusplus", "dc_forcenet", "dc_gemnet_oc", "dc_gemnet_t", "dc_painn", "dc_schnet")
BY_HOST = (*NATIVE, "dc_gp_gemnet_t", "dc_esen", "dc_hydra")
DIRECT = ("dc_scn", "dc_escn", "dc_equiformer_v2")
STOCK = ("schnet", "gemnet_t", "gemnet_oc", "gp_gemnet_t", "hydra")
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
STEP = 1e-4


def crystals() -> list[Atoms]:
    """Return two crystals; an atom of the second sees its own images. All atoms have a tag of GemNet-OC's."""
    found = [*structures("triclinic cell"), structures("small cell")[1]]
    for atoms in found:
        atoms.set_tags(1)
    return found


def evaluate(model: Any, batch: Any) -> dict[str, Tensor]:
    torch.manual_seed(1)
    batch = copy.copy(batch)
    batch.pos = batch.pos.detach().clone()  # fairchem lets it require a gradient
    return {name: value.detach() for name, value in model(batch).items() if isinstance(value, Tensor)}


def differences(model: Any, batch: Any) -> Tensor:
    """Return central differences of the energy by each strain of Voigt's order, divided by the volume, [B, 6]."""
    columns = []
    for i, j in VOIGT:
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[i, j] += STEP / 2
        strain[j, i] += STEP / 2
        ends = []
        for sign in (1, -1):
            moved = copy.copy(batch)
            matrix = torch.eye(3, dtype=torch.float64) + sign * strain
            moved.pos, moved.cell = batch.pos @ matrix, batch.cell @ matrix
            ends.append(evaluate(model, moved)["energy"].flatten())
        columns.append((ends[0] - ends[1]) / (2 * STEP * torch.linalg.det(batch.cell).abs()))
    return torch.stack(columns, dim=1)


def check_stress(model: Any) -> None:
    """Compare the stress of a model in float64 with central differences; other outputs do not change."""
    with in_float64():
        batch = batch_of(crystals())
        batch.pos, batch.cell = batch.pos.double(), batch.cell.double()
        before = evaluate(model, batch)
        assert "stress" not in before
        expected = differences(model, batch)
        return_stress(model, True)
        with torch.no_grad():
            found = evaluate(model, batch)
        assert found["stress"].shape == (2, 9)
        matrix = found["stress"].view(2, 3, 3)
        torch.testing.assert_close(matrix, matrix.mT)
        scale = float(expected.abs().max())
        assert scale > 1e-6
        components = torch.stack([matrix[:, i, j] for i, j in VOIGT], dim=1)
        torch.testing.assert_close(components, expected, rtol=0, atol=2e-5 * scale)
        for name, value in before.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11)
        return_stress(model, False)
        assert "stress" not in evaluate(model, batch)


@pytest.mark.parametrize("name", NATIVE)
def test_native(name: str) -> None:
    model = wrapper(name, "periodic", {**IRELU, "accelerate": "native"}).double().eval()
    assert model.uses_native
    check_stress(model)


@pytest.mark.parametrize("name", BY_HOST)
def test_by_the_host(name: str) -> None:
    model = wrapper(name, "periodic", {**IRELU, **({"accelerate": "off"} if name in NATIVE else {})}).double().eval()
    assert not getattr(model, "uses_native", False)
    check_stress(model)


@pytest.mark.parametrize("name", STOCK)
def test_stock_models(name: str) -> None:
    case = CASES[f"dc_{name}"]
    check_stress(build(name, case.arguments, "periodic").double().eval())


def test_every_model_is_here() -> None:
    assert sorted({*BY_HOST, *DIRECT}) == sorted(CASES)


@pytest.mark.parametrize("accelerate", ["native", "off"])
def test_training(accelerate: str) -> None:
    """The stress is differentiable by the parameters, with the forces; both routes have the same gradients."""
    batch = batch_of(crystals())
    gradients = []
    for route in (accelerate, "native"):
        model = wrapper("dc_schnet", "periodic", {**IRELU, "accelerate": route}).train()
        return_stress(model, True)
        out = model(copy.copy(batch))
        (1e3 * out["stress"].square().sum() + out["forces"].square().sum() + out["energy"].square().sum()).backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for one, other in zip(*gradients, strict=True):
        assert one.any()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_a_copy_of_the_model() -> None:
    model = wrapper("dc_gp_gemnet_t", "periodic", IRELU).eval()
    return_stress(model, True)
    copied = copy.deepcopy(model)
    batch = batch_of(crystals())
    expected = evaluate(model, batch)["stress"]
    for parameter in model.parameters():
        parameter.data.zero_()
    assert torch.equal(evaluate(copied, batch)["stress"], expected)


def test_a_molecule_has_no_stress() -> None:
    """Neither in a batch of molecules without a cell."""
    molecule = structures("mixed sizes")[1]
    for accelerate in ("native", "off"):
        model = wrapper("dc_schnet", "periodic", {**IRELU, "accelerate": accelerate}).eval()
        return_stress(model, True)
        molecule.cell = [9.0, 9.0, 9.0]
        assert not evaluate(model, batch_of([molecule]))["stress"].any()


@pytest.mark.parametrize("name", DIRECT)
def test_direct_forces(name: str) -> None:
    assert not is_conservative(wrapper(name, "periodic"))
    assert "not the derivatives of its energy" in str(why_no_stress(wrapper(name, "periodic")))


@pytest.mark.parametrize("name", ["painn", "dimenetplusplus"])
def test_stock_models_whose_forces_are_no_gradients(name: str) -> None:
    model = build(name, CASES[f"dc_{name}"].arguments, "periodic")
    assert not is_conservative(model)


def test_no_periodic_boundaries() -> None:
    assert why_no_stress(wrapper("dc_schnet", "molecules", IRELU)) == "it has no periodic boundaries (use_pbc: false)"
    assert why_no_stress(wrapper("dc_schnet", "periodic", IRELU)) is None
