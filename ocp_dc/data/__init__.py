"""Readers of labelled structures, splits, and LMDBs as fairchem reads them; everything in eV and Å."""
