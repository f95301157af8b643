"""Tolerances of the tests, each with its reason."""

from __future__ import annotations

import torch

# (relative, absolute). float64: a few dozen operations away from 2.2e-16. float32: the same from 1.2e-7.
ROUNDING = {torch.float64: (1e-11, 1e-12), torch.float32: (2e-5, 2e-6)}

# Central differences in float64 with a step of 1e-5: truncation and cancellation both cost about 1e-9 of the value.
FINITE_DIFFERENCE = (1e-5, 1e-7)

# Activations on a grid over the sphere are equivariant to its accuracy: at lmax 2, another rotation or another
# random frame moves the forces of eSEN and EquiformerV2 by some 1e-3 of the largest.
SPHERICAL_GRID = 1e-2

# Labels that were once stored in float32 (LMDB forces, batched energies after centering), in eV and eV/Å.
FLOAT32_LABEL = (1e-6, 1e-5)

# Outputs of a model in float32 for one structure in different batches: the order of the sums differs.
FLOAT32_BATCH = (2e-5, 1e-5)

# Energies (eV) and forces (eV/Å) of atoms tens of Å from the origin, where float32 rounds positions to 4e-6 Å; forces
# are some 10 eV/Å.
FLOAT32_SHIFTED = 2e-4


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare at the rounding tolerance of the tensors' dtype."""
    relative, absolute = ROUNDING[actual.dtype]
    torch.testing.assert_close(actual, expected, rtol=relative, atol=absolute)
