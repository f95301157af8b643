"""Potentials: functions from atomic numbers, positions and a graph to energies."""
