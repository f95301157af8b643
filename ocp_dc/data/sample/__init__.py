"""The bundled samples: 2,000 geometries of ethanol (GFN2-xTB), and 300 of adsorbates on metal slabs (EMT)."""

from __future__ import annotations

from pathlib import Path


def sample_path() -> Path:
    """Return the npz file of the molecule: revised-MD17 layout, Å, eV and eV/Å. README.md names its source."""
    return Path(__file__).with_name("ethanol_500K_gfn2.npz")


def slab_sample_path() -> Path:
    """Return the ASE trajectory of the slabs: fixed atoms, tags, labels in eV and eV/Å. README.md names its source."""
    return Path(__file__).with_name("slabs_300K_emt.traj")
