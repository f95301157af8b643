"""The host fairchem-core 2.x: the only package that imports fairchem 2.

Importing this package imports no other module, since hydra imports its :mod:`ocp_dc.fairchem2.plugin` in every program.
"""
