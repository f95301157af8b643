"""The two-dimensional generators against exact solutions and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp
from scipy.optimize import brentq

from ocp_dc.pinn.data import generate
from ocp_dc.pinn.data.generators import diffusion_reaction as reaction
from ocp_dc.pinn.data.generators import shallow_water as water
from ocp_dc.pinn.data.generators.grids import cell_centers

# --- diffusion-reaction --------------------------------------------------------------------------------------------


def reaction_fields(size: int, t: np.ndarray, points: np.ndarray) -> np.ndarray:
    start = reaction.initial_fields(cell_centers(-1.0, 1.0, size), seed=0)
    return reaction.values_at(reaction.evolve(start, t), points)


def test_diffusion_reaction_converges_faster_than_any_power() -> None:
    t, points = np.array([0.0, 1.0]), cell_centers(-1.0, 1.0, 20)
    reference = reaction_fields(64, t, points)
    sizes = np.array([16, 24, 32, 48])
    errors = [np.abs(reaction_fields(size, t, points) - reference).max() for size in sizes]
    orders = -np.diff(np.log(errors)) / np.diff(np.log(sizes))
    assert (np.diff(orders) > 0).all(), orders
    assert orders[-1] > 5, orders
    np.testing.assert_allclose(reference[0], reaction.initial_fields(points, seed=0), rtol=0, atol=1e-12)


def five_points(size: int, t: np.ndarray) -> np.ndarray:
    """The finite volumes of PDEBench's generator: an independent method of second order."""
    c, width = reaction.COEFFICIENTS, 2 / size

    def rate(now: float, flat: np.ndarray) -> np.ndarray:
        state = flat.reshape(2, size, size)
        padded = np.pad(state, ((0, 0), (1, 1), (1, 1)), mode="edge")  # no flux through the border
        around = padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]
        laplacian = (around - 4 * state) / width**2
        u, v = state
        change = [u - u**3 - c["k"] - v + c["Du"] * laplacian[0], u - v + c["Dv"] * laplacian[1]]
        return np.concatenate([values.ravel() for values in change])

    start = reaction.initial_fields(cell_centers(-1.0, 1.0, size), seed=0)
    done = solve_ivp(rate, (t[0], t[-1]), start.ravel(), t_eval=t, rtol=1e-7, atol=1e-9)
    return done.y.T.reshape(len(t), 2, size, size)


def test_finite_volumes_converge_to_the_cosine_method() -> None:
    t, errors = np.array([0.0, 0.5]), []
    for size in (48, 96):
        expected = reaction_fields(64, t, cell_centers(-1.0, 1.0, size))
        errors.append(np.abs(five_points(size, t) - expected)[1].max())
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.35)


def test_diffusion_moves_but_does_not_make() -> None:
    # without a flux through the border, the mean of v changes by the reaction alone
    t = np.linspace(0.0, 1.0, 401)
    fields = reaction.evolve(reaction.initial_fields(cell_centers(-1.0, 1.0, 32), seed=2), t)
    u, v = fields.mean(axis=(2, 3)).T
    assert v[-1] - v[0] == pytest.approx(simpson(u - v, x=t), rel=1e-6)


def test_generated_reaction() -> None:
    solution = generate("diffusion_reaction", size=8, times=3, seed=1)
    assert [field.shape for field in solution.fields.values()] == [(3, 8, 8)] * 2
    fine = reaction.initial_fields(cell_centers(-1.0, 1.0, 64), seed=1)
    np.testing.assert_allclose(np.square(fine).mean(axis=(1, 2)), 1.0, rtol=0.7)


# --- shallow water -------------------------------------------------------------------------------------------------


def stoker(x: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """The straight dam break over water, 2 left of x = 1 and 1 right of it (Toro 2001, section 7.3): exact."""
    fast, slow = np.sqrt(2.0), 1.0  # sqrt(g h) on both sides

    def mismatch(h: float) -> float:
        return 2 * (fast - np.sqrt(h)) - (h - 1) * np.sqrt((h + 1) / (2 * h))

    middle = brentq(mismatch, 1.0, 2.0)
    velocity = 2 * (fast - np.sqrt(middle))
    shock = middle * velocity / (middle - slow)
    s = (x - 1) / t
    fan = (s >= -fast) & (s < velocity - np.sqrt(middle))
    h = np.where(s < -fast, 2.0, np.where(fan, (2 * fast - s) ** 2 / 9, np.where(s < shock, middle, 1.0)))
    u = np.where(s < -fast, 0.0, np.where(fan, 2 / 3 * (fast + s), np.where(s < shock, velocity, 0.0)))
    return h, u


def test_straight_dam_break_converges_to_stokers() -> None:
    errors = []
    for size in (150, 300, 600):
        x = cell_centers(0.0, 3.0, size)
        start = np.where(x < 1.0, 2.0, 1.0)
        got = water.evolve(start, np.zeros(size), np.array([0.0, 0.5]), end=3.0, radial=False)
        errors.append(sum(np.abs(g[1] - e).mean() for g, e in zip(got, stoker(x, 0.5), strict=True)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 0.85).all(), orders  # of first order at a shock, whatever the scheme
    assert errors[-1] < 4e-3


@pytest.mark.parametrize("radial", [True, False])
def test_smooth_waves_are_of_second_order(radial: bool) -> None:
    def solved(size: int) -> np.ndarray:
        x = cell_centers(0.0, 3.0, size)
        return water.evolve(1 + 0.1 * np.exp(-8 * (x - 1.2) ** 2), np.zeros(size), np.array([0.0, 0.5]), 3.0, radial)[
            0
        ][1]

    reference = solved(1944)
    errors = [np.abs(solved(size) - reference[972 // size :: 1944 // size]).mean() for size in (72, 216, 648)]
    orders = np.log(np.array(errors[:-1]) / errors[1:]) / np.log(3)
    assert (orders > 1.6).all(), orders


def test_water_at_rest_stays_at_rest_and_none_is_lost() -> None:
    t = np.array([0.0, 0.5, 1.0])
    depth, velocity = water.evolve(np.full(100, 1.7), np.zeros(100), t, end=3.5)
    np.testing.assert_allclose(depth, 1.7, rtol=0, atol=1e-13)
    np.testing.assert_allclose(velocity, 0.0, rtol=0, atol=1e-13)
    faces = np.linspace(0.0, 3.5, 401)
    start = water.ring_depth(0.7, 3.5, 400)
    assert (start * np.diff(faces**2)).sum() == pytest.approx(3.5**2 + 0.7**2, rel=1e-14)
    depth, _ = water.evolve(start, np.zeros(400), t, end=3.5)
    total = (depth * np.diff(faces**2)).sum(axis=1)
    np.testing.assert_allclose(total, total[0], rtol=1e-13)


def rusanov(radius: float, size: int, end: float) -> np.ndarray:
    """The depth by the plainest scheme on the plane itself: brute force, of first order."""
    x = cell_centers(-2.5, 2.5, size)
    width, now = 5 / size, 0.0
    state = np.stack([np.where(np.hypot(x[:, None], x) <= radius, 2.0, 1.0), *np.zeros((2, size, size))])
    while now < end:
        speed = (np.hypot(state[1], state[2]) / state[0] + np.sqrt(state[0])).max()
        step = min(0.4 * width / speed, end - now)
        change = np.zeros_like(state)
        for axis in (1, 2):
            h, normal = state[0], state[axis]
            flux = state * normal / h
            flux[axis] += h**2 / 2
            here, there = np.delete(flux, -1, axis), np.delete(flux, 0, axis)
            face = (here + there) / 2 - speed / 2 * np.diff(state, axis=axis)
            edges = [(1, 1) if number == axis else (0, 0) for number in range(3)]
            change -= np.diff(np.pad(face, edges, mode="edge"), axis=axis) / width
        state, now = state + step * change, now + step
    return state[0]


def test_the_plane_solved_by_brute_force_comes_close() -> None:
    solution = generate("shallow_water", size=200, times=3, seed=0)
    radius = solution.parameters["dam_radius"]
    exact, coarse, fine = solution.fields["h"], rusanov(radius, 50, 0.5), rusanov(radius, 200, 0.5)
    blocks = exact[1].reshape(50, 4, 50, 4).mean(axis=(1, 3))
    errors = np.abs(coarse - blocks).mean(), np.abs(fine - exact[1]).mean()
    assert errors[1] < 0.012
    assert errors[0] / errors[1] > 1.8  # it converges to our solution, as slowly as it does


def test_generated_water() -> None:
    solution = generate("shallow_water", size=16, times=3, seed=7)
    h, distance = solution.fields["h"], np.hypot(solution.axes["x"][:, None], solution.axes["y"])
    assert list(solution.fields) == ["h"]  # as in the genuine file
    assert 0.3 <= solution.parameters["dam_radius"] < 0.7
    np.testing.assert_array_equal(h[0], np.where(distance <= solution.parameters["dam_radius"], 2.0, 1.0))
    np.testing.assert_array_equal(h, np.swapaxes(h, 1, 2))
    np.testing.assert_allclose(h[:, 0], 1.0, rtol=0, atol=1e-9)  # nothing has reached the border
