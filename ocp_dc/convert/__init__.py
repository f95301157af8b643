"""Conversion of checkpoints between the hosts, in either environment: it imports neither version of fairchem."""
