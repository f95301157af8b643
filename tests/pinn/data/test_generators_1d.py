"""The one-dimensional generators against exact solutions and independent references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson, solve_bvp
from scipy.interpolate import CubicSpline
from scipy.linalg import expm

from ocp_dc.pinn.data import generate
from ocp_dc.pinn.data.generators import compressible_flow as flow
from ocp_dc.pinn.data.generators import diffusion_sorption as sorption
from ocp_dc.pinn.data.generators.grids import cell_centers, refinement


def test_refined_cells_keep_their_centers() -> None:
    for size, least in ((8, 1), (8, 100), (100, 256), (128, 256), (5, 25)):
        factor = refinement(size, least)
        assert size * factor >= least
        kept = cell_centers(-1.0, 2.0, size * factor)[factor // 2 :: factor]
        np.testing.assert_allclose(kept, cell_centers(-1.0, 2.0, size), rtol=0, atol=1e-14)


def test_advection_moves_by_beta_t() -> None:
    u = generate("advection", size=100, times=3, seed=5).fields["u"]
    for now, cells in ((1, 10), (2, 20)):  # beta t is 0.1 and 0.2, and a cell 0.01 wide; periodic
        np.testing.assert_allclose(u[now], np.roll(u[0], cells), rtol=0, atol=1e-12)
    coefficients = np.abs(np.fft.rfft(u[0])) / 50
    waves = coefficients > 1e-12
    assert waves.sum() == 2
    assert not waves[9:].any()
    assert (coefficients[waves] >= 0.5).all()


# --- compressible flow -------------------------------------------------------------------------------------------


def simple_wave(x: np.ndarray, t: float) -> np.ndarray:
    """A wave that runs right in a gas of one entropy (Whitham, Linear and Nonlinear Waves, 6.8): exact.

    Each velocity moves along x + (u + c) t, with c = 1 + (gamma - 1) / 2 u: solved by Newton's method at each point.
    """
    start = x.copy()
    for _ in range(50):
        u, slope = 0.05 * np.sin(2 * np.pi * start), 0.1 * np.pi * np.cos(2 * np.pi * start)
        speed = 1 + (flow.GAMMA + 1) / 2 * u
        start -= (start + speed * t - x) / (1 + (flow.GAMMA + 1) / 2 * slope * t)
    u = 0.05 * np.sin(2 * np.pi * start)
    sound = 1 + (flow.GAMMA - 1) / 2 * u
    density = sound ** (2 / (flow.GAMMA - 1))
    return np.stack([density, u, density**flow.GAMMA / flow.GAMMA])


def test_compressible_flow_converges_to_an_exact_wave() -> None:
    t, errors = np.array([0.0, 0.4, 0.8]), []
    for size in (12, 24, 48):
        x = cell_centers(0.0, 1.0, size)
        got = flow.evolve(simple_wave(x, 0.0), t, eta=0.0, zeta=0.0, period=1.0)
        errors.append(np.abs(got - np.stack([simple_wave(x, now) for now in t])).max())
    # the series of a smooth wave converges faster than any power: each halving gains more digits than the one before
    assert errors[0] / errors[1] > 10
    assert errors[1] / errors[2] > 100
    assert errors[2] < 1e-7


def test_compressible_flow_conserves() -> None:
    t = np.linspace(0.0, 1.0, 5)
    density, velocity, pressure = np.moveaxis(
        flow.evolve(flow.initial_fields(cell_centers(-1.0, 1.0, 128), 3), t, eta=0.01, zeta=0.02), 1, 0
    )
    energy = pressure / (flow.GAMMA - 1) + density * velocity**2 / 2
    for conserved in (density, density * velocity, energy):
        total = conserved.mean(axis=1)
        np.testing.assert_allclose(total, total[0], rtol=0, atol=1e-13)


def test_viscosity_damps_sound_as_the_linear_equations_say() -> None:
    # density, velocity and pressure of a faint wave exp(ikx) in a gas of density 1 and pressure 1
    eta, zeta, t, k, faint = 2e-2, 5e-2, np.array([0.0, 1.0]), 2 * np.pi, 1e-6
    viscosity = zeta + 4 / 3 * eta
    linear = np.array([[0, -1j * k, 0], [0, -viscosity * k**2, -1j * k], [0, -1j * k * flow.GAMMA, 0]])
    x, start = cell_centers(0.0, 1.0, 32), np.array([1.0, 0.3, -0.5])
    background = np.array([[1.0], [0.0], [1.0]])
    got = flow.evolve(background + faint * start[:, None] * np.cos(k * x), t, eta, zeta, period=1.0)[1]
    expected = (expm(linear * t[1]) @ start)[:, None] * np.exp(1j * k * x)
    np.testing.assert_allclose((got - background) / faint, expected.real, rtol=0, atol=1e-4)


def test_generated_flow_is_resolved_and_starts_on_its_background() -> None:
    solution, finer = (generate("compressible_flow", size=size, times=3, seed=1) for size in (16, 16 * 45))
    for name, background in (("density", 1.0), ("velocity", 0.0), ("pressure", 1.0)):
        assert solution.fields[name].shape == (3, 16)
        np.testing.assert_allclose(solution.fields[name], finer.fields[name][:, 22::45], rtol=0, atol=1e-7)
        assert np.abs(solution.fields[name] - background).max() < 0.2


# --- diffusion-sorption --------------------------------------------------------------------------------------------


def test_diffusion_sorption_is_of_second_order() -> None:
    t = np.array([0.0, 100.0, 500.0])
    errors, reference = [], sorption.evolve(np.full(1458, 0.1), t)
    for size in (18, 54, 162):  # thirds, so that centers are centers of the reference's cells
        factor = 1458 // size
        errors.append(np.abs(sorption.evolve(np.full(size, 0.1), t) - reference[:, factor // 2 :: factor])[1:].max())
    orders = np.log(np.array(errors[:-1]) / errors[1:]) / np.log(3)
    assert (orders > 1.7).all(), orders
    assert (orders < 2.3).all(), orders


def test_diffusion_sorption_next_to_the_left_wall_is_the_similarity_solution() -> None:
    # while the right wall is far, u depends on s = x / sqrt(t) alone: D u'' + s / 2 R(u) u' = 0
    diffusion, far, start = sorption.COEFFICIENTS["D"], 0.1, 0.1

    def equations(s: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([y[1], -s / 2 * sorption.retardation(y[0]) * y[1] / diffusion])

    s = np.linspace(0.0, far, 400)
    guess = np.stack([start + (1 - start) * np.exp(-((s / 0.03) ** 2)), np.gradient(np.exp(-((s / 0.03) ** 2)), s)])

    def ends(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.array([left[0] - 1, right[0] - start])

    curve = solve_bvp(equations, ends, s, guess, tol=1e-7, max_nodes=20_000)
    assert curve.success
    x, t = cell_centers(0.0, 1.0, 900), np.array([0.0, 20.0, 40.0])
    u = sorption.evolve(np.full(900, start), t)
    near = x < 0.5
    for now in (1, 2):
        expected = curve.sol(np.minimum(x[near] / np.sqrt(t[now]), far))[0]
        np.testing.assert_allclose(u[now, near], expected, rtol=0, atol=1e-5)


def test_diffusion_sorption_conserves_and_keeps_its_conditions() -> None:
    # what is stored, dissolved and sorbed, grows by what the walls let in: d/dt sum of G(u) = D [u_x], G' = R
    c, t, size = sorption.COEFFICIENTS, np.linspace(100.0, 500.0, 401), 500
    x = cell_centers(0.0, 1.0, size)
    u = sorption.evolve(np.full(size, 0.1), np.concatenate([[0.0], t]))[1:]
    sorbed = (1 - c["por"]) / c["por"] * c["rho_s"] * c["k_f"] * (u + 1e-6) ** c["n_f"]
    stored = (u + sorbed).mean(axis=1)
    lines = [CubicSpline(x, now) for now in u]
    left, right = (np.array([line(wall, 1) for line in lines]) for wall in (0.0, 1.0))
    assert stored[-1] - stored[0] == pytest.approx(c["D"] * simpson(right - left, x=t), rel=1e-5)
    walls = np.array([[line(0.0), line(1.0)] for line in lines])
    np.testing.assert_allclose(walls[:, 0], 1.0, rtol=0, atol=1e-6)
    np.testing.assert_allclose(walls[:, 1], -c["D"] * right, rtol=0, atol=1e-6)
    assert u.min() > 0.0
    assert u.max() < 1.0


def test_generated_sorption_starts_from_one_number() -> None:
    solution = generate("diffusion_sorption", size=16, times=3, seed=4)
    u = solution.fields["u"]
    assert np.ptp(u[0]) == 0.0
    assert 0.0 <= u[0, 0] < 0.2
    np.testing.assert_allclose(
        u, generate("diffusion_sorption", size=16 * 91, times=3, seed=4).fields["u"][:, 45::91], atol=1e-6
    )
