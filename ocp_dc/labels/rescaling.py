"""Center and scale labels, and convert predictions back to physical units."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from ocp_dc.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class LabelRescaling:
    """Divide centered energies and their derivatives by the same number C (arXiv 2310.01649, section 3).

    With energy E and forces F in physical units, the scaled labels are ``(E - center) / C`` and ``F / C``. With the
    same C for both, F = -dE/dx holds for the scaled labels too. A stress is a derivative of the energy like the forces,
    and is scaled like them. The arithmetic is in float64.

    Args:
        scale: the number C, in eV.
        mean: the part of the center that is the same for every structure, in eV.
        references: energy per element in eV, float64 [Z_max + 1], NaN for elements that are not in the training
            set; None if the center does not depend on the composition.
    """

    scale: float
    mean: float = 0.0
    references: torch.Tensor | None = None

    def center(
        self, atomic_numbers: torch.Tensor, batch: torch.Tensor | None = None, structures: int = 1
    ) -> torch.Tensor:
        """Return the center of each structure's energy in eV, float64 [B].

        Args:
            atomic_numbers: [N], of any integer dtype.
            batch: int64 [N], the structure of each atom; None for a single structure.
            structures: the number of structures B.

        Raises:
            UserError: an element was not in the training set.
        """
        centers = torch.full((structures,), self.mean, dtype=torch.float64, device=atomic_numbers.device)
        if self.references is None:
            return centers
        numbers = atomic_numbers.long()
        references = self.references.to(atomic_numbers.device)
        inside = numbers < len(references)
        per_atom = references[numbers.where(inside, 0)].where(inside, torch.nan)  # [N]
        if bool(per_atom.isnan().any()):
            unseen = sorted(set(numbers[per_atom.isnan()].tolist()))
            seen = (~self.references.isnan()).nonzero().flatten().tolist()
            raise UserError(
                f"label_rescaling: no reference energy for atomic numbers {unseen}; the training set has {seen}. "
                "Train on data with these elements, or use center: mean or none"
            )
        if batch is None:
            batch = torch.zeros_like(numbers)
        return centers.index_add(0, batch, per_atom)  # [B] += sum over atoms

    def scale_energy(self, energy: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
        """Return ``(energy - center) / C`` in float64; energy in eV, any shape that ``centers`` broadcasts to."""
        return (energy.double() - centers) / self.scale

    def scale_forces(self, forces: torch.Tensor) -> torch.Tensor:
        """Return ``forces / C`` in float64; forces in eV/Å or a stress in eV/Å³, any shape."""
        return forces.double() / self.scale

    def physical_energy(self, scaled: torch.Tensor, centers: torch.Tensor) -> torch.Tensor:
        """Return the energy in eV, float64: the inverse of :meth:`scale_energy`."""
        return scaled.double() * self.scale + centers

    def physical_forces(self, scaled: torch.Tensor) -> torch.Tensor:
        """Return forces in eV/Å or a stress in eV/Å³, float64: the inverse of :meth:`scale_forces`."""
        return scaled.double() * self.scale

    def shifted(self, shift: torch.Tensor) -> LabelRescaling:
        """Return the rescaling with an energy added to each reference, for data with other reference energies.

        Args:
            shift: the energy per element in eV, float64 [Z_max + 1]; NaN for elements that the data do not have, which
                then have no reference. An element without a reference so far gets the shift alone.
        """
        before = torch.zeros_like(shift)
        if self.references is not None:
            size = min(len(shift), len(self.references))
            before[:size] = self.references[:size].nan_to_num(0.0)
        return dataclasses.replace(self, references=before + shift)

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers as plain data, for a checkpoint."""
        return {"scale": self.scale, "mean": self.mean, "references": self.references}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> LabelRescaling:
        """Return the rescaling from the result of :meth:`state_dict`."""
        references = None if state["references"] is None else state["references"].double()
        return cls(scale=float(state["scale"]), mean=float(state["mean"]), references=references)

    def __str__(self) -> str:
        """Return the scale and the center with their units, in one line."""
        if self.references is None:
            center = f"{self.mean:.6f} eV"
        else:
            known = [(z, float(e)) for z, e in enumerate(self.references.tolist()) if e == e]
            center = "{" + ", ".join(f"Z={z}: {energy:.4f} eV" for z, energy in known) + "}"
        return f"label rescaling: scale {self.scale:.6g} eV, center {center}"
