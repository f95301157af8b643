"""scipy.special.sph_harm for scipy 1.17 and later, which dropped it: fairchem's models/utils/basis.py imports it."""

from __future__ import annotations

from typing import Any

import scipy.special


def sph_harm(m: Any, n: Any, theta: Any, phi: Any) -> Any:
    """Return the spherical harmonic Y of order ``m`` and degree ``n``, complex, of the arguments' broadcast shape.

    The arguments are those of the dropped function, whose order and names of angles differ from its successor's
    ``sph_harm_y(n, m, polar, azimuth)``
    (https://docs.scipy.org/doc/scipy-1.16.0/reference/generated/scipy.special.sph_harm.html).

    Args:
        m: order, an integer array with ``|m| <= n``.
        n: degree, an integer array.
        theta: the azimuth in radians, 0 to 2 pi.
        phi: the polar angle in radians, 0 to pi.
    """
    return scipy.special.sph_harm_y(n, m, phi, theta)


def install_sph_harm() -> bool:
    """Put :func:`sph_harm` into ``scipy.special`` where that has none. Return whether ours stands there now."""
    if not hasattr(scipy.special, "sph_harm"):
        scipy.special.sph_harm = sph_harm
    return scipy.special.sph_harm is sph_harm
