"""Checkpoints of both hosts: read as data, and converted to one another. It needs no version of fairchem."""
