from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.labels import LabelOptions, LabelRescaling, fit
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, ROUNDING, assert_close

NAN = float("nan")
REFERENCES = torch.tensor([NAN, -10.0, NAN, NAN, NAN, NAN, -1000.0], dtype=torch.float64)
BY_ELEMENT = LabelRescaling(scale=4.0, references=REFERENCES)
BY_MEAN = LabelRescaling(scale=4.0, mean=-100.0)
METHANE = torch.tensor([6, 1, 1, 1, 1])


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_centers_by_hand() -> None:
    batch = torch.tensor([0, 0, 0, 0, 0, 1, 1])
    numbers = torch.cat([METHANE, torch.tensor([1, 1])])
    assert torch.equal(BY_ELEMENT.center(numbers, batch, 2), double(-1040.0, -20.0))
    assert torch.equal(BY_MEAN.center(numbers, batch, 2), double(-100.0, -100.0))
    assert torch.equal(BY_ELEMENT.center(METHANE), double(-1040.0))
    assert torch.equal(BY_ELEMENT.center(METHANE.float()), double(-1040.0))  # as OC20's atomic numbers are stored
    assert torch.equal(LabelRescaling(2.0).center(METHANE), double(0.0))


def test_atoms_of_a_batch_in_any_order() -> None:
    centers = BY_ELEMENT.center(torch.tensor([1, 6, 1]), torch.tensor([2, 0, 2]), 3)
    assert torch.equal(centers, double(-1000.0, 0.0, -20.0))


def test_forward_and_inverse_by_hand() -> None:
    centers = BY_ELEMENT.center(METHANE)
    scaled = BY_ELEMENT.scale_energy(double(-1042.0), centers)
    assert torch.equal(scaled, double(-0.5))
    assert torch.equal(BY_ELEMENT.physical_energy(scaled, centers), double(-1042.0))
    assert torch.equal(BY_ELEMENT.scale_forces(double(6.0, -2.0)), double(1.5, -0.5))
    assert torch.equal(BY_ELEMENT.physical_forces(double(1.5, -0.5)), double(6.0, -2.0))


@settings(deadline=None)
@given(
    energy=st.floats(-1e6, 1e6),
    force=st.floats(-1e3, 1e3),
    scale=st.floats(1e-6, 1e6),
    mean=st.floats(-1e6, 1e6),
    by_element=st.booleans(),
)
def test_round_trip(energy: float, force: float, scale: float, mean: float, by_element: bool) -> None:
    rescaling = (
        LabelRescaling(scale, references=double(NAN, mean / 2)) if by_element else LabelRescaling(scale, mean=mean)
    )
    centers = rescaling.center(torch.tensor([1, 1]))
    back = rescaling.physical_energy(rescaling.scale_energy(double(energy), centers), centers)
    relative, absolute = ROUNDING[torch.float64]
    assert back.dtype == torch.float64
    assert abs(float(back) - energy) <= relative * (abs(energy) + abs(mean)) + absolute  # as E - center rounds
    assert_close(rescaling.physical_forces(rescaling.scale_forces(double(force))), double(force))


def test_float32_comes_out_as_float64() -> None:
    rescaling = LabelRescaling(3.0, mean=-1040.1)  # neither is a float32
    centers = rescaling.center(METHANE)
    for actual, expected in (
        (rescaling.scale_energy(torch.tensor([-1042.25]), centers), (-1042.25 + 1040.1) / 3.0),
        (rescaling.physical_energy(torch.tensor([-0.5625]), centers), -0.5625 * 3.0 - 1040.1),
        (rescaling.scale_forces(torch.tensor([0.25])), 0.25 / 3.0),
        (rescaling.physical_forces(torch.tensor([0.25])), 0.75),
    ):
        assert actual.dtype == torch.float64
        assert_close(actual, double(expected))


@pytest.mark.parametrize("rescaling", [BY_ELEMENT, BY_MEAN, LabelRescaling(1.0)])
def test_out_of_place(rescaling: LabelRescaling) -> None:
    centers = rescaling.center(METHANE)
    for method in (
        lambda x: rescaling.scale_energy(x, centers),
        lambda x: rescaling.physical_energy(x, centers),
        rescaling.scale_forces,
        rescaling.physical_forces,
    ):
        x = double(-1042.0)
        method(x).add_(1.0)
        assert torch.equal(x, double(-1042.0))
    references = None if rescaling.references is None else rescaling.references.clone()
    numbers = METHANE.clone()
    centers.add_(1.0)
    assert torch.equal(numbers, METHANE)
    if references is not None:
        torch.testing.assert_close(rescaling.references, references, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("center", ["none", "mean", "composition"])
def test_a_large_energy_loses_no_digits(center: str) -> None:
    energies = [-4209.4 + i * 1e-9 for i in range(20)]
    labels = [(np.array([6, 1]), energy, np.ones((2, 3))) for energy in energies]
    rescaling = fit(LabelOptions(center, "1e6 kcal/mol"), labels)
    centers = rescaling.center(torch.tensor([6, 1]))
    scaled = rescaling.scale_energy(torch.tensor(energies, dtype=torch.float64), centers)
    error = rescaling.physical_energy(scaled, centers) - torch.tensor(energies, dtype=torch.float64)
    assert float(error.abs().max()) <= 2 * np.spacing(4209.4)  # 2e-12 eV


def potential(x: torch.Tensor) -> torch.Tensor:
    """A Morse energy over all pairs, in eV, (structures,); x: (structures, atoms, 3) in Å."""
    i, j = torch.triu_indices(x.shape[1], x.shape[1], 1)
    distance = (x[:, i] - x[:, j]).norm(dim=-1)
    return (4.0 * (1 - torch.exp(-1.3 * (distance - 1.1))) ** 2).sum(-1) - 1042.0


@pytest.mark.parametrize("center", ["none", "mean", "composition"])
@pytest.mark.parametrize("scale", [0.05, "10 kcal/mol", "forces_rms"])
def test_forces_stay_the_gradient_of_the_energy(center: str, scale: float | str) -> None:
    """F = -dE/dx on the scaled labels, by central differences: one C for both, and a center that does not move."""
    generator = torch.Generator().manual_seed(0)
    x = 1.5 * torch.randn(3, 5, 3, dtype=torch.float64, generator=generator)
    x.requires_grad_(True)
    energies = potential(x)
    forces = -torch.autograd.grad(energies.sum(), x)[0]
    labels = [(METHANE.numpy(), float(e), f.numpy()) for e, f in zip(energies.detach(), forces, strict=True)]
    rescaling = fit(LabelOptions(center, scale), labels)

    step = 1e-5 * torch.eye(15, dtype=torch.float64).reshape(15, 5, 3)
    centers = rescaling.center(METHANE)
    start = x.detach()[0]
    plus, minus = (rescaling.scale_energy(potential(start + sign * step), centers) for sign in (1, -1))
    relative, absolute = FINITE_DIFFERENCE
    torch.testing.assert_close(
        -((plus - minus) / 2e-5).reshape(5, 3),
        rescaling.scale_forces(forces[0]),
        rtol=relative,
        atol=absolute / min(rescaling.scale, 1.0),  # the energy's rounding grows with 1 / C
    )


@pytest.mark.parametrize(("number", "others"), [(8, [1, 6]), (2, [1, 6]), (0, [6])])
def test_an_element_that_the_fit_has_not_seen_is_named(number: int, others: list[int]) -> None:
    with pytest.raises(UserError) as error:
        BY_ELEMENT.center(torch.tensor([*others, number, number]))
    message = str(error.value)
    assert f"no reference energy for atomic numbers [{number}]" in message
    assert "the training set has [1, 6]" in message
    assert "use center: mean or none" in message
    assert torch.equal(BY_MEAN.center(torch.tensor([number])), double(-100.0))


def test_an_element_beyond_the_references_is_unseen_where_zero_is_seen() -> None:
    rescaling = LabelRescaling(1.0, references=double(-1.0, -10.0))  # 0 is what some data write for a dummy atom
    assert torch.equal(rescaling.center(torch.tensor([0, 1])), double(-11.0))
    with pytest.raises(UserError, match=r"atomic numbers \[5\]; the training set has \[0, 1\]"):
        rescaling.center(torch.tensor([0, 5]))


@pytest.mark.parametrize("rescaling", [BY_ELEMENT, BY_MEAN, LabelRescaling(1.0)])
def test_state_through_a_file(rescaling: LabelRescaling) -> None:
    buffer = io.BytesIO()
    torch.save(rescaling.state_dict(), buffer)
    buffer.seek(0)
    back = LabelRescaling.from_state_dict(torch.load(buffer, weights_only=True))
    assert (back.scale, back.mean, back.references is None) == (
        rescaling.scale,
        rescaling.mean,
        rescaling.references is None,
    )
    if back.references is not None:
        torch.testing.assert_close(back.references, rescaling.references, rtol=0, atol=0, equal_nan=True)
    assert str(back) == str(rescaling)


@pytest.mark.parametrize("center", ["mean", "composition"])
def test_a_fitted_state_is_plain(center: str) -> None:
    labels = [(np.array([1, 1]), np.float32(-3.0), np.ones((2, 3), dtype=np.float32))]
    rescaling = fit(LabelOptions(center, "forces_rms"), labels)
    buffer = io.BytesIO()
    torch.save(rescaling.state_dict(), buffer)
    buffer.seek(0)
    back = LabelRescaling.from_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(back.center(torch.tensor([1, 1])), rescaling.center(torch.tensor([1, 1])))
    assert {type(back.scale), type(back.mean)} == {float}


def test_text() -> None:
    assert str(BY_MEAN) == "label rescaling: scale 4 eV, center -100.000000 eV"
    assert str(BY_ELEMENT) == "label rescaling: scale 4 eV, center {Z=1: -10.0000 eV, Z=6: -1000.0000 eV}"
