"""fairchem's normalizer with the arithmetic of energies in float64."""

from __future__ import annotations

import torch
from fairchem.core.modules.normalization.normalizer import Normalizer


class Float64Normalizer(Normalizer):
    """Divide by C and take off the mean in float64, for the energy.

    fairchem's class keeps the mean and C in float32 and returns predictions in float32, which at 1e5 eV has steps of
    7.8 meV. These are numbers without dimensions, which torch combines with tensors on any device; fairchem moves only
    element references to the device of the training.

    Args:
        mean: eV, the same for every structure.
        rmsd: the number C in eV.
    """

    def __init__(self, mean: float = 0.0, rmsd: float = 1.0) -> None:
        super().__init__(torch.tensor(mean, dtype=torch.float64), torch.tensor(rmsd, dtype=torch.float64))

    def norm(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return ``(tensor - mean) / C`` in float64; an energy in eV, any shape."""
        return (tensor.double() - self.mean) / self.rmsd

    def denorm(self, normed_tensor: torch.Tensor) -> torch.Tensor:
        """Return the energy in eV in float64: the inverse of :meth:`norm`."""
        return normed_tensor.double() * self.rmsd + self.mean
