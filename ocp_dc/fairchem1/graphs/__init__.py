"""Edges of fairchem's batches for the native models: found by a cell list, or kept with samples in memory."""
