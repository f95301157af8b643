"""A trained potential as a TorchScript file, which torch loads without ocp_dc and fairchem, also in C++."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ocp_dc.core.files import replacing
from ocp_dc.interfaces.edge_model import EdgeModel
from ocp_dc.interfaces.trained import TrainedPotential, interaction_range

FACTS = "potential.json"  # what the file says about itself, an extra file of TorchScript


class EnergyAndForces(nn.Module):
    """Energies, forces and virials of a batch, in physical units.

    Args:
        trained: the potential.
    """

    def __init__(self, trained: TrainedPotential) -> None:
        super().__init__()
        self.edges = EdgeModel(trained)

    def forward(
        self,
        numbers: Tensor,
        positions: Tensor,
        cells: Tensor,
        source: Tensor,
        target: Tensor,
        images: Tensor,
        batch: Tensor,
    ) -> dict[str, Tensor]:
        """Return ``energy`` [B], ``energies`` [N], ``forces`` [N, 3] and ``virial`` [B, 3, 3], float64.

        Energies are in eV, forces in eV/Å. The virial is dE/dε in eV; divided by the volume, it is the stress.

        Args:
            numbers: int64 [N], atomic numbers.
            positions: [N, 3], in Å.
            cells: [B, 3, 3], cell vectors as rows, in Å; zeros without periodic boundaries.
            source: int64 [E], the atom j of each edge j -> i.
            target: int64 [E], the atom i of each edge. The edges are all those within the cutoff, in both directions;
                longer ones have no effect.
            images: int64 [E, 3], the image of j, in cell vectors.
            batch: int64 [N], the structure of each atom.
        """
        positions, cells = positions.detach().to(self.edges.dtype), cells.detach()
        of_edges = cells[batch[source]]  # [E, 3, 3]
        offsets = images.to(cells.dtype)[:, None].bmm(of_edges)[:, 0].to(positions.dtype)  # [E, 3]
        vectors = positions[source] - positions[target] + offsets
        energies, gradient, rows = self.edges(
            numbers, vectors, source, target, images, torch.ones_like(positions[:, 0])
        )
        structures = cells.shape[0]
        sizes = torch.bincount(batch, minlength=structures)  # [B]
        energies = energies + self.edges.mean / sizes[batch]
        energy = energies.new_zeros(structures).index_add(0, batch, energies)
        forces = torch.zeros(len(numbers), 3, dtype=gradient.dtype, device=gradient.device)
        forces = forces.index_add(0, source[rows], -gradient).index_add(0, target[rows], gradient)
        products = vectors[rows].double()[:, :, None] * gradient[:, None]  # [P, 3, 3]
        virial = gradient.new_zeros(structures, 3, 3).index_add(0, batch[source[rows]], products)
        return {"energy": energy, "energies": energies, "forces": forces, "virial": (virial + virial.mT) / 2}


def save_torchscript(trained: TrainedPotential, path: Path) -> None:
    """Write a TorchScript file of an :class:`EnergyAndForces`, with a description as :data:`FACTS`.

    Raises:
        UserError: see :class:`EdgeModel`.
        WriteError: the file cannot be written.
    """
    module = torch.jit.script(EnergyAndForces(trained).eval())
    with replacing(path) as new:
        torch.jit.save(module, str(new), _extra_files={FACTS: json.dumps(facts(trained))})


def facts(trained: TrainedPotential) -> dict[str, object]:
    """Return the description of a potential that its exported file contains."""
    return {
        "model": trained.saved.model.title,
        "cutoff": trained.search.cutoff,
        "interaction_range": interaction_range(trained),
        "max_neighbors": trained.search.max_neighbors,
        "periodic": trained.search.periodic,
        "elements": trained.elements,
        "units": {"energy": "eV", "forces": "eV/Å", "virial": "eV", "length": "Å"},
    }
