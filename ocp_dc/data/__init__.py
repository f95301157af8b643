"""Readers of labeled structures, splits, and LMDBs in the layout of fairchem; all values are in eV and Å."""
