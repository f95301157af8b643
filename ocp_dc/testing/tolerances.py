"""The one table of tolerances: by dtype, with the reason."""

from __future__ import annotations

import torch

# (relative, absolute). float64: a few dozen operations away from 2.2e-16. float32: the same from 1.2e-7.
ROUNDING = {torch.float64: (1e-11, 1e-12), torch.float32: (2e-5, 2e-6)}

# Central differences in float64 with a step of 1e-5: truncation and cancellation both end near 1e-9 of the value.
FINITE_DIFFERENCE = (1e-5, 1e-7)

# Activations on a grid over the sphere are equivariant to its accuracy: at lmax 2, another rotation or another
# random frame moves the forces of eSEN and EquiformerV2 by some 1e-3 of the largest.
SPHERICAL_GRID = 1e-2

# Labels that went through float32 once (LMDB forces, batched energies after centring), in eV and eV/Å.
FLOAT32_LABEL = (1e-6, 1e-5)

# What a model computes in float32 of one structure in different batches: the sums run in another order.
FLOAT32_BATCH = (2e-5, 1e-5)

# Energies (eV) and forces (eV/Å) of atoms tens of Å from the origin: float32 rounds there to 4e-6 Å, and forces are
# some 10 eV/Å.
FLOAT32_SHIFTED = 2e-4


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Compare at the rounding tolerance of the tensors' dtype."""
    relative, absolute = ROUNDING[actual.dtype]
    torch.testing.assert_close(actual, expected, rtol=relative, atol=absolute)
