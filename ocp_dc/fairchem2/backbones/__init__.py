"""The potentials of :mod:`ocp_dc.models` as backbones of fairchem 2."""
