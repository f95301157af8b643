"""2D shallow water, radial dam break: a problem in the radius, solved by finite volumes on rings."""

from __future__ import annotations

import numpy as np

from ocp_dc.pinn.data.generators.grids import cell_centers
from ocp_dc.pinn.physics.solution import Solution

GRAVITY = 1.0
INNER, OUTER = 2.0, 1.0  # depth inside and outside of the dam
DOMAIN = (-2.5, 2.5)
END = 1.0
RINGS = 2000
COURANT = 0.4


def solve(size: int, times: int, seed: int) -> Solution:
    """Return the depth h on [-2.5, 2.5] x [-2.5, 2.5], t up to 1, after a round dam of random radius vanishes.

    h = 2 inside of the radius (from [0.3, 0.7)) and 1 outside, all at rest, gravity 1: PDEBench's radial dam break
    (``gen_radial_dam_break.py``, ``src/sim_radial_dam_break.py``). Nothing reaches the border before t = 1. As in
    PDEBench's file, the solution holds h alone.

    Args:
        size: cells in each direction; values are at their centers.
        times: instants, the first 0 and the last 1.
        seed: of the radius.
    """
    radius = float(np.random.default_rng(seed).uniform(0.3, 0.7))
    x, t = cell_centers(*DOMAIN, size), np.linspace(0.0, END, times)
    distance = np.hypot(x[:, None], x)  # [X, Y]
    end = DOMAIN[1] * np.sqrt(2)
    rings = cell_centers(0.0, end, RINGS)
    depth, _ = evolve(ring_depth(radius, end, RINGS), np.zeros(RINGS), t, end)
    h = np.stack([np.interp(distance, rings, now) for now in depth])  # [T, X, Y]
    h[0] = np.where(distance <= radius, INNER, OUTER)
    parameters = {"gravity": GRAVITY, "dam_radius": radius, "inner_height": INNER}
    return Solution("shallow_water", {"t": t, "x": x, "y": x.copy()}, {"h": h}, parameters)


def ring_depth(radius: float, end: float, rings: int) -> np.ndarray:
    """Return the [rings] mean depths at t = 0: the ring that the dam runs through gets its share of both."""
    faces = np.linspace(0.0, end, rings + 1)
    inside = np.clip((radius**2 - faces[:-1] ** 2) / np.diff(faces**2), 0.0, 1.0)
    return OUTER + (INNER - OUTER) * inside


def evolve(
    depth: np.ndarray, velocity: np.ndarray, t: np.ndarray, end: float, radial: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return [T, R] depths and outward velocities at the times t.

    Args:
        depth: [R] mean depths of rings of equal width at t[0].
        velocity: [R] outward velocities at t[0].
        t: [T] rising times.
        end: outer radius; water passes it freely.
        radial: rings around a center; False takes a straight channel with a wall at 0.

    MUSCL with minmod slopes, HLL fluxes and Heun's method (Toro, Shock-Capturing Methods for Free-Surface Shallow
    Flows, 2001): of second order where the flow is smooth, and conservative, so that shocks have the right speed.
    """
    faces = np.linspace(0.0, end, len(depth) + 1)
    width = faces[1]
    areas = faces if radial else np.ones_like(faces)
    volumes = np.diff(faces**2) / 2 if radial else np.full(len(depth), width)

    def rate(state: np.ndarray) -> np.ndarray:
        flux = areas * _hll(*_states_at_faces(state))
        change = -np.diff(flux) / volumes
        # pressure on the slanted sides of a ring; it balances the fluxes of water at rest to rounding
        change[1] += GRAVITY / 2 * state[0] ** 2 * np.diff(areas) / volumes
        return change

    state, now, saved = np.stack([depth, depth * velocity]), t[0], []
    for target in t:
        while now < target:
            speed = (np.abs(state[1] / state[0]) + np.sqrt(GRAVITY * state[0])).max()
            step = min(COURANT * width / speed, target - now)
            middle = state + step * rate(state)
            state = (state + middle + step * rate(middle)) / 2
            now = target if step == target - now else now + step
        saved.append(state)
    depths, momenta = np.moveaxis(np.stack(saved), 1, 0)
    return depths, momenta / depths


def _states_at_faces(state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return [2, R + 1] depth and momentum left and right of every face."""
    mirror = np.array([[1.0], [-1.0]])  # the center: as much flows in as out
    padded = np.concatenate([mirror * state[:, 1::-1], state, state[:, -1:], state[:, -1:]], axis=1)
    jumps = np.diff(padded)
    back, ahead = jumps[:, :-1], jumps[:, 1:]
    slopes = np.where(back * ahead > 0, np.sign(ahead) * np.minimum(np.abs(back), np.abs(ahead)), 0.0)
    middle = padded[:, 1:-1]
    return (middle + slopes / 2)[:, :-1], (middle - slopes / 2)[:, 1:]


def _hll(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the [2, R + 1] fluxes of Harten, Lax and van Leer."""
    fluxes, speeds = [], []
    for depth, momentum in (left, right):
        velocity, wave = momentum / depth, np.sqrt(GRAVITY * depth)
        fluxes.append(np.stack([momentum, momentum * velocity + GRAVITY / 2 * depth**2]))
        speeds.append((velocity - wave, velocity + wave))
    low = np.minimum(np.minimum(speeds[0][0], speeds[1][0]), 0.0)
    high = np.maximum(np.maximum(speeds[0][1], speeds[1][1]), 0.0)
    return (high * fluxes[0] - low * fluxes[1] + low * high * (right - left)) / (high - low)
