"""Label rescaling: one object that centres and scales labels, and brings predictions back to physical units."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from ocp_dc.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class LabelRescaling:
    """Energy and forces divided by one constant, the energy centred before that (arXiv 2310.01649, section 3).

    With energy E and forces F in physical units, the scaled labels are ``(E - centre) / scale`` and ``F / scale``.
    One scale for both keeps F = -dE/dx true on the scaled labels. The arithmetic is in float64.

    Args:
        scale: the constant C, in eV.
        mean: what every structure's energy loses, in eV.
        references: energy per element in eV, (Z_max + 1,) float64, NaN for elements that the fit has not seen; None
            where the centre does not depend on the composition.
    """

    scale: float
    mean: float = 0.0
    references: torch.Tensor | None = None

    def center(
        self, atomic_numbers: torch.Tensor, batch: torch.Tensor | None = None, structures: int = 1
    ) -> torch.Tensor:
        """Return the centre of each structure's energy in eV, (structures,) float64.

        Args:
            atomic_numbers: (atoms,) integers of any kind.
            batch: (atoms,) the structure of each atom; None for a single structure.
            structures: how many structures there are.

        Raises:
            UserError: an element that the fit has not seen.
        """
        centers = torch.full((structures,), self.mean, dtype=torch.float64, device=atomic_numbers.device)
        if self.references is None:
            return centers
        numbers = atomic_numbers.long()
        references = self.references.to(atomic_numbers.device)
        inside = numbers < len(references)
        per_atom = references[numbers.where(inside, 0)].where(inside, torch.nan)  # (atoms,)
        if bool(per_atom.isnan().any()):
            unseen = sorted(set(numbers[per_atom.isnan()].tolist()))
            seen = (~self.references.isnan()).nonzero().flatten().tolist()
            raise UserError(
                f"label_rescaling: no reference energy for atomic numbers {unseen}; the training set held {seen}. "
                "Train on data that hold these elements, or use center: mean or none"
            )
        if batch is None:
            batch = torch.zeros_like(numbers)
        return centers.index_add(0, batch, per_atom)  # (structures,) += sum over atoms

    def scale_energy(self, energy: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
        """Return ``(energy - centre) / scale`` in float64; energy in eV, any shape that ``centers`` broadcasts to."""
        return (energy.double() - centers) / self.scale

    def scale_forces(self, forces: torch.Tensor) -> torch.Tensor:
        """Return ``forces / scale`` in float64; forces in eV/Å, any shape."""
        return forces.double() / self.scale

    def physical_energy(self, scaled: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
        """Return the energy in eV, float64: the inverse of :meth:`scale_energy`."""
        return scaled.double() * self.scale + centers

    def physical_forces(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return the forces in eV/Å, float64: the inverse of :meth:`scale_forces`."""
        return scaled.double() * self.scale

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers as plain data, for a checkpoint."""
        return {"scale": self.scale, "mean": self.mean, "references": self.references}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> LabelRescaling:
        """Build the object from what :meth:`state_dict` returned."""
        references = None if state["references"] is None else state["references"].double()
        return cls(scale=float(state["scale"]), mean=float(state["mean"]), references=references)

    def __str__(self) -> str:
        """One line: the scale and the centre with their units."""
        if self.references is None:
            centre = f"{self.mean:.6f} eV"
        else:
            known = [(z, float(e)) for z, e in enumerate(self.references.tolist()) if e == e]
            centre = "{" + ", ".join(f"Z={z}: {energy:.4f} eV" for z, energy in known) + "}"
        return f"label rescaling: scale {self.scale:.6g} eV, centre {centre}"
