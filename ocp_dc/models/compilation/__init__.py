"""Compile the energy and forces of a potential into one function."""
