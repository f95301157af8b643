"""A trained potential as a function of edges, in physical units, that TorchScript compiles.

Annotations are evaluated in this file: TorchScript reads those of attributes as types, not as text.
"""

import torch
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.graphs.limits import nearest_mask, nearest_rows
from ocp_dc.graphs.neighbor_list import edge_order
from ocp_dc.graphs.search import SHORTEST
from ocp_dc.interfaces.traced import tables_of, trace_atoms
from ocp_dc.interfaces.trained import TrainedPotential


class EdgeModel(nn.Module):
    """Energies of atoms and their derivative by the vectors of the edges, in eV and eV/Å.

    Args:
        trained: the potential.

    Attributes:
        mean: the part of the energy of each structure that belongs to no atom, in eV.

    Raises:
        UserError: the energy is not a sum over the atoms, or the forces are not its gradient.
    """

    references: Tensor

    def __init__(self, trained: TrainedPotential) -> None:
        super().__init__()
        _check(trained)
        saved, search = trained.saved, trained.search
        self.cutoff, self.scale, self.mean = float(search.cutoff), saved.energy.scale, saved.energy.mean
        self.limit, self.periodic, self.shortest = search.max_neighbors, search.periodic, SHORTEST
        self.register_buffer("references", trained.references)
        self.atoms = trace_atoms(trained.potential)
        self.tables = tables_of(saved.model.name, trained.potential)
        self.dtype = next(trained.potential.parameters()).dtype

    def forward(
        self, numbers: Tensor, vectors: Tensor, source: Tensor, target: Tensor, images: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the energies of the atoms, the derivative by the edges that count, and which those are.

        Args:
            numbers: int64 [N], atomic numbers.
            vectors: [E, 3], from the target to the source of each edge, in Å. There may be edges beyond the cutoff;
                both directions of each pair must be among the edges.
            source: int64 [E].
            target: int64 [E].
            images: int64 [E, 3], the image of the source that each edge ends at, in cell vectors.
            weights: [N], a factor of the energy of each atom in the sum that is differentiated.

        Returns:
            Energies float64 [N] in eV, the derivative of their weighted sum float64 [P, 3] in eV/Å, and the numbers of
            the edges, int64 [P].

        Raises:
            ValueError: an element is unknown.
        """
        with torch.no_grad():
            references = self.references[numbers]  # [N]
            if not bool(references.isfinite().all()):
                unknown = numbers[~references.isfinite()][0]
                raise ValueError(f"the potential was not trained for the element with atomic number {int(unknown)}")
            vectors = vectors.detach().to(self.dtype)
            kept = self.select(vectors, source, target, images, len(numbers))  # [K]
            source, target, images, vectors = source[kept], target[kept], images[kept], vectors[kept]
            rows, others = self.tables(source, target, images, len(numbers))
            alone = torch.arange(len(numbers), device=numbers.device)  # each atom as a structure by itself
            edges = [source[rows], target[rows], vectors[rows], images[rows], alone, torch.ones_like(alone)]
            energies, gradient = self.atoms([numbers, weights.to(self.dtype)] + edges + others)  # noqa: RUF005
            return energies.double() * self.scale + references, gradient.double() * self.scale, kept[rows]

    def select(self, vectors: Tensor, source: Tensor, target: Tensor, images: Tensor, atoms: int) -> Tensor:
        """Return the numbers of the edges that count, in the order of :class:`~ocp_dc.graphs.search.EdgeSearch`."""
        squared = vectors.square().sum(-1)  # [E]
        counted = squared > self.shortest if self.periodic else (images == 0).all(1)
        near = (squared <= self.cutoff * self.cutoff) & counted
        kept = near.nonzero().squeeze(1)
        kept = kept[edge_order(source[kept], target[kept], images[kept], atoms)]
        target, squared = target[kept], squared[kept]
        degree = torch.bincount(target, minlength=atoms)  # [N]
        if len(target) == 0 or int(degree.max()) <= self.limit:
            return kept
        if not self.periodic:
            return kept[nearest_rows(target, squared, degree, self.limit)]
        if self.limit > 0:
            return kept[nearest_mask(target, squared.float(), self.limit)]
        return kept


def _check(trained: TrainedPotential) -> None:
    saved = trained.saved
    if not trained.potential.has_atomic_energies:
        raise UserError(
            f"the energy of this {saved.model.title} is a mean over the atoms (readout: mean, or extensive: false), "
            "and an exported potential is a sum of energies of atoms; use ocp_dc.calculator, or the model for torch-sim"
        )
    if (saved.forces.scale, saved.forces.mean) != (saved.energy.scale, 0.0):
        raise UserError(
            f"the normalizers multiply energies by {saved.energy.scale} and forces by {saved.forces.scale} (mean "
            f"{saved.forces.mean}), so that the forces are not the gradient of the energy, as programs for dynamics "
            "expect it; train with the same rmsd for both and mean 0 for forces, as label_rescaling does"
        )
