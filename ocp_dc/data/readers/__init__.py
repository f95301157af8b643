"""Readers of npz files, files of ASE, folders of trajectories, and downloads."""
