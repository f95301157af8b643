"""Residuals of exact solutions vanish; those of any fields are what sympy derives from the equations as written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sympy
import torch
from sympy import Rational, cos, diff, exp, sin

from ocp_dc.pinn.physics.tasks import task_class, task_names
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.manufactured import T, X, Y, points, residuals, values

SCALES = [1.0, 0.01, 250.0]
GAMMA, VISCOSITY = Rational(5, 3), Rational(7, 3) * sympy.Float("1e-8", 20)


def advection(u: Any) -> dict[str, Any]:
    return {"L_f": diff(u, T) + diff(u, X) / 10}


def flow(d: Any, v: Any, p: Any, m: Any = VISCOSITY, sign: int = 1) -> dict[str, Any]:
    """Mass and energy as conservation laws, momentum as Newton's."""
    energy = p / (GAMMA - 1) + d * v**2 / 2
    return {
        "L_fd": diff(d, T) + diff(d * v, X),
        "L_fv": d * (diff(v, T) + v * diff(v, X)) + sign * diff(p, X) - m * diff(v, X, 2),
        "L_fp": diff(energy, T) + diff((energy + p) * v - v * m * diff(v, X), X),
    }


def published_flow(d: Any, v: Any, p: Any) -> dict[str, Any]:
    return {"L_f": sum(flow(d, v, p, m=0, sign=-1).values())}


def sorption(u: Any) -> dict[str, Any]:
    factor = 1 + Rational(71, 29) * 2880 * Rational("0.00035") * Rational("0.874") * (u + Rational("1e-6")) ** (-0.126)
    return {"L_f": diff(u, T) - Rational("0.0005") / factor * diff(u, X, 2)}


def reaction(u: Any, v: Any) -> dict[str, Any]:
    return {
        "L_fu": diff(u, T) - (diff(u, X, 2) + diff(u, Y, 2)) / 1000 - u + u**3 + Rational("0.005") + v,
        "L_fv": diff(v, T) - (diff(v, X, 2) + diff(v, Y, 2)) / 200 - u + v,
    }


def water(h: Any, u: Any, v: Any) -> dict[str, Any]:
    return {
        "L_fh": diff(h, T) + diff(h * u, X) + diff(h * v, Y),
        "L_fu": diff(u, T) + u * diff(u, X) + v * diff(u, Y) + diff(h, X),
        "L_fv": diff(v, T) + u * diff(v, X) + v * diff(v, Y) + diff(h, Y),
    }


EQUATIONS = {
    "advection": advection,
    "compressible_flow": flow,
    "diffusion_sorption": sorption,
    "diffusion_reaction": reaction,
    "shallow_water": water,
}
# every derivative of every field differs from zero and from every other
MANUFACTURED = {
    "advection": [exp(X) * sin(3 * T) + cos(X * T)],
    "compressible_flow": [2 + sin(X + 2 * T) / 2, cos(2 * X - T), 3 + sin(3 * X) * exp(-T)],
    "diffusion_sorption": [(2 + sin(3 * X + 1)) * exp(-T / 300) / 4],
    "diffusion_reaction": [cos(2 * X + Y) * exp(-T), sin(X - 3 * Y) + T**2 / 9],
    "shallow_water": [2 + sin(X + 2 * Y - T) / 2, cos(2 * X - Y + T), sin(X * Y / 3 + 2 * T)],
}


def rarefaction(gamma: Any, a: Any, speed: Any) -> tuple[Any, Any, Any]:
    """Velocity, speed of sound and its power of a centered simple wave: v - c = a, v + 2 c / (gamma - 1) = speed."""
    c = (gamma - 1) / (gamma + 1) * (speed - a)
    return a + c, c, c ** (2 / (gamma - 1))


def contact_wave() -> list[Any]:
    v = Rational(7, 10)
    return [2 + sin(2 * sympy.pi * (X - v * T)) / 2, v, 3]


def dam_wave() -> list[Any]:
    """A rarefaction of shallow water (a gas with gamma = 2, c^2 = h) that runs in the direction (3, 4) / 5."""
    v, c, _ = rarefaction(2, (3 * X + 4 * Y) / 5 / T, 3)
    return [c**2, v * Rational(3, 5), v * Rational(4, 5)]


EXACT = {
    "travelling wave": ("advection", [exp(sin(2 * sympy.pi * (X - T / 10)))]),
    "contact wave": ("compressible_flow", contact_wave()),
    "steady slope": ("diffusion_sorption", [1 - X / Rational("1.0005")]),
    "fixed point": ("diffusion_reaction", [-(Rational("0.005") ** Rational(1, 3))] * 2),
    "lake at rest": ("shallow_water", [Rational(3, 2), 0, 0]),
    "steady current": ("shallow_water", [2, Rational(1, 2), -1]),
    "dam wave": ("shallow_water", dam_wave()),
}


def agree(actual: Mapping[str, torch.Tensor], expected: Mapping[str, Any], x: torch.Tensor, scale: float) -> None:
    assert list(actual) == list(expected)
    for name, expression in expected.items():
        assert_close(actual[name], values([expression], x).detach() / scale)


def test_every_task_is_tested() -> None:
    assert set(EQUATIONS) == set(MANUFACTURED) == {name for name, _ in EXACT.values()} == set(task_names())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", EXACT)
def test_exact_solutions_leave_no_residual(name: str, scale: float) -> None:
    task, fields = task_class(EXACT[name][0])(scale=scale), EXACT[name][1]
    x = points(task, earliest=task.duration / 2)
    for residual in residuals(task, fields, x).values():
        assert residual.shape == (len(x), 1)
        assert_close(residual, torch.zeros_like(residual))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_manufactured_sources_divided_by_the_scale(name: str, scale: float) -> None:
    task, fields = task_class(name)(scale=scale), MANUFACTURED[name]
    x = points(task)
    expected = EQUATIONS[name](*fields)
    assert all(values([source], x).abs().max() > 1e-3 for source in expected.values())
    agree(residuals(task, fields, x), expected, x, scale)


@pytest.mark.parametrize("scale", SCALES)
def test_a_simple_wave_of_gas_is_exact_but_for_friction(scale: float) -> None:
    """v is linear in x: of the viscous terms only the heat of friction is left."""
    task = task_class("compressible_flow")(scale=scale)
    v, c, density = rarefaction(GAMMA, X / T, 4)
    fields = [density, v, density * c**2 / GAMMA]
    x = points(task, earliest=0.5)
    agree(residuals(task, fields, x), {"L_fd": 0, "L_fv": 0, "L_fp": -VISCOSITY * diff(v, X) ** 2}, x, scale)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", EQUATIONS)
def test_published_equations(name: str, scale: float) -> None:
    task, fields = task_class(name)(scale=scale, as_published=True), MANUFACTURED[name]
    x = points(task)
    published = {"compressible_flow": published_flow}
    expected = published.get(name, lambda *f: {"L_f": sum(EQUATIONS[name](*f).values())})(*fields)
    agree(residuals(task, fields, x), expected, x, scale)


def test_a_published_sum_lets_wrong_fields_pass() -> None:
    """Water that rises out of nothing, with an acceleration that hides it."""
    fields: Sequence[Any] = [2 + T, -T, 0]
    for as_published in (True, False):
        task = task_class("shallow_water")(as_published=as_published)
        largest = max(float(r.abs().max()) for r in residuals(task, fields, points(task)).values())
        assert largest == pytest.approx(0 if as_published else 1, abs=1e-12)


def test_the_published_pressure_gradient_pushes_the_wrong_way() -> None:
    """A gas that the pressure accelerates as Newton has it: only the right sign lets its momentum balance."""
    fields = [1, -2 * T, 3 + 2 * X]  # d v_t + p_x = 0 at t = 0, where v = 0
    x = torch.tensor([[0.3, 0.0]], dtype=torch.float64, requires_grad=True)
    right = residuals(task_class("compressible_flow")(), fields, x)
    assert_close(right["L_fv"], torch.zeros_like(right["L_fv"]))
    published = residuals(task_class("compressible_flow")(as_published=True), fields, x)
    assert float(published["L_f"]) == pytest.approx(-4)


def test_negative_concentrations_stay_finite() -> None:
    task = task_class("diffusion_sorption")()
    residual = residuals(task, [-X], points(task))["L_f"]
    assert residual.isfinite().all()
