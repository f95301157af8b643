"""Replacement for scipy.special.sph_harm, which fairchem's models/utils/basis.py imports and scipy 1.17 removed."""

from __future__ import annotations

from typing import Any

import scipy.special


def sph_harm(m: Any, n: Any, theta: Any, phi: Any) -> Any:
    """Return the spherical harmonic Y of order ``m`` and degree ``n``, complex, of the arguments' broadcast shape.

    The arguments are those of the removed function. The order and the names of its angles differ from those of its
    successor ``sph_harm_y(n, m, polar, azimuth)``
    (https://docs.scipy.org/doc/scipy-1.16.0/reference/generated/scipy.special.sph_harm.html).

    Args:
        m: order, an integer array with ``|m| <= n``.
        n: degree, an integer array.
        theta: the azimuth in radians, 0 to 2 pi.
        phi: the polar angle in radians, 0 to pi.
    """
    return scipy.special.sph_harm_y(n, m, phi, theta)


def install_sph_harm() -> bool:
    """Add :func:`sph_harm` to ``scipy.special`` if it is missing there; return whether this function is in use."""
    if not hasattr(scipy.special, "sph_harm"):
        scipy.special.sph_harm = sph_harm
    return scipy.special.sph_harm is sph_harm
