"""Molecular dynamics and relaxations with any calculator of ASE."""
