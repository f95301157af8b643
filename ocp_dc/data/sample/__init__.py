"""The bundled sample: 2,000 geometries of ethanol with GFN2-xTB energies and forces."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Return the npz file of the sample: revised-MD17 layout, Å, eV and eV/Å. README.md says where it comes from."""
    return Path(__file__).with_name("ethanol_500K_gfn2.npz")
