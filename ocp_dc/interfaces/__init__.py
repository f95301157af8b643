"""Trained potentials for programs that use potentials: exported files, and models for torch-sim. Needs no fairchem."""
