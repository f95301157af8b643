"""The stand-in for scipy.special.sph_harm against scipy's own, and against the lowest harmonics by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.special
import torch

from ocp_dc.fallbacks.special import install_sph_harm, sph_harm
from ocp_dc.testing.tolerances import ROUNDING

RTOL, ATOL = ROUNDING[torch.float64]

if not hasattr(scipy.special, "sph_harm_y"):
    pytest.skip("this scipy is older than sph_harm_y and has its own sph_harm", allow_module_level=True)


@pytest.fixture
def angles():
    azimuth, polar = np.random.default_rng(0).uniform([0, 0], [2 * np.pi, np.pi], (50, 2)).T
    return azimuth, polar


def test_lowest_harmonics_by_hand(angles):
    azimuth, polar = angles
    first = -np.sqrt(3 / (8 * np.pi)) * np.sin(polar) * np.exp(1j * azimuth)
    np.testing.assert_allclose(sph_harm(1, 1, azimuth, polar), first, RTOL, ATOL)
    np.testing.assert_allclose(sph_harm(-1, 1, azimuth, polar), -first.conj(), RTOL, ATOL)
    np.testing.assert_allclose(sph_harm(0, 1, azimuth, polar), np.sqrt(3 / (4 * np.pi)) * np.cos(polar), RTOL, ATOL)


def test_parity_with_the_function_that_scipy_dropped(angles):
    if not hasattr(scipy.special, "sph_harm") or scipy.special.sph_harm is sph_harm:
        pytest.skip("this scipy has no sph_harm of its own")
    degree, order = np.array([(n, m) for n in range(7) for m in range(-n, n + 1)]).T
    azimuth, polar = (a[:, None] for a in angles)  # [50, 1] against [49], tiled by broadcasting
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # scipy 1.15 and 1.16 announce that they will drop it
        expected = scipy.special.sph_harm(order, degree, azimuth, polar)
    np.testing.assert_allclose(sph_harm(order, degree, azimuth, polar), expected, RTOL, ATOL)


def test_it_is_installed_only_where_missing(monkeypatch):
    own = object()
    monkeypatch.setattr(scipy.special, "sph_harm", own, raising=False)
    assert not install_sph_harm()
    assert scipy.special.sph_harm is own
    monkeypatch.delattr(scipy.special, "sph_harm")
    assert install_sph_harm()
    assert install_sph_harm()
    assert scipy.special.sph_harm is sph_harm
