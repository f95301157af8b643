"""Readers of the formats that users bring: npz, ASE files, trajectories, downloads."""
