from __future__ import annotations

from ase.data import chemical_symbols

from ocp_dc.models.elements import SYMBOLS


def test_symbols() -> None:
    assert list(SYMBOLS) == chemical_symbols
