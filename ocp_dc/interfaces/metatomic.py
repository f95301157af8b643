"""A trained potential as a model of metatomic, which LAMMPS, i-PI, GROMACS, torch-sim, ASE and others run.

Annotations are evaluated in this file, and are those of ``typing``: metatomic and TorchScript read them.
"""

from pathlib import Path
from typing import Dict, List, Optional  # noqa: UP035

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)
from torch import nn

from ocp_dc.core.files import replacing
from ocp_dc.interfaces.edge_model import EdgeModel
from ocp_dc.interfaces.trained import TrainedPotential, interaction_range

REFERENCES = {
    "schnet": "https://arxiv.org/abs/1706.08566",
    "painn": "https://arxiv.org/abs/2102.03150",
    "dimenetplusplus": "https://arxiv.org/abs/2011.14115",
    "gemnet_t": "https://arxiv.org/abs/2106.08903",
}


class MetatomicPotential(nn.Module):
    """Energies of systems or of atoms, which metatomic differentiates by positions and strain.

    The derivative by the edges is computed with the energies, and becomes that of a term whose value is zero.

    Args:
        trained: the potential.
    """

    def __init__(self, trained: TrainedPotential) -> None:
        super().__init__()
        self.edges = EdgeModel(trained)
        self.neighbors = NeighborListOptions(cutoff=float(trained.search.cutoff), full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        """Return the list of neighbors that the engine prepares."""
        return [self.neighbors]

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels],  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        """Return the energies in eV, float64.

        Args:
            systems: the structures, with their neighbors.
            outputs: what is asked for: ``energy``, of systems or of atoms.
            selected_atoms: the atoms whose energies count; None for all.
        """
        results: Dict[str, TensorMap] = {}  # noqa: UP006
        if "energy" not in outputs or len(systems) == 0:
            return results
        device = systems[0].positions.device
        count = len(systems)  # B
        numbers = torch.cat([system.types for system in systems]).long()  # [N]
        sizes = torch.tensor([len(system) for system in systems], device=device)  # [B]
        starts = sizes.cumsum(0) - sizes
        batch = torch.repeat_interleave(torch.arange(count, device=device), sizes)  # [N]
        lists = [system.get_neighbor_list(self.neighbors) for system in systems]
        samples = torch.cat([block.samples.values for block in lists]).long()  # [E, 5]: target, source, images
        vectors = torch.cat([block.values[:, :, 0] for block in lists])  # [E, 3]
        edges_of = torch.tensor([len(block.values) for block in lists], device=device)
        first = torch.repeat_interleave(starts, edges_of)  # [E], the first atom of each edge's system
        target, source, images = samples[:, 0] + first, samples[:, 1] + first, samples[:, 2:]

        atoms = torch.arange(len(numbers), device=device)
        if selected_atoms is not None:
            chosen = selected_atoms.values.to(device).long()  # [S, 2]: system, atom
            atoms = starts[chosen[:, 0]] + chosen[:, 1]  # [S]
        weights = torch.zeros(len(numbers), device=device).index_fill(0, atoms, 1.0)
        energies, gradient, rows = self.edges(numbers, vectors, source, target, images, weights)
        energies = (energies + self.edges.mean / sizes[batch])[atoms]  # [S]
        near = vectors[rows]
        zeros = ((near - near.detach()) * gradient).sum(1)  # [P], with the derivative of the energy
        zeros = torch.zeros(count, dtype=zeros.dtype, device=device).index_add(0, batch[source[rows]], zeros)  # [B]

        systems_of = batch[atoms]  # [S]
        if outputs["energy"].sample_kind == "system":
            values = zeros.index_add(0, systems_of, energies)
            names, indices = ["system"], torch.arange(count, device=device)[:, None]
        else:
            # the derivative of a sum over all the atoms of a system is asked for; it is that of one of them
            once = torch.ones_like(systems_of, dtype=torch.bool)
            once[1:] = systems_of[1:] != systems_of[:-1]
            values = energies + torch.where(once, zeros[systems_of], 0.0)
            names, indices = ["system", "atom"], torch.stack([systems_of, atoms - starts[systems_of]], dim=1)
        block = TensorBlock(
            values=values[:, None],
            samples=Labels(names, indices.int()),
            components=torch.jit.annotate(List[Labels], []),  # noqa: UP006
            properties=Labels(["energy"], torch.zeros(1, 1, dtype=torch.int32, device=device)),
        )
        keys = Labels(["_"], torch.zeros(1, 1, dtype=torch.int32, device=device))
        results["energy"] = TensorMap(keys, [block])
        return results


def save_metatomic(trained: TrainedPotential, path: Path) -> None:
    """Write a potential as a model of metatomic.

    Raises:
        UserError: see :class:`EdgeModel`.
        WriteError: the file cannot be written.
    """
    model = trained.saved.model
    capabilities = ModelCapabilities(
        outputs={"energy": ModelOutput(unit="eV", sample_kind="atom", description="potential energy")},
        atomic_types=trained.elements,
        interaction_range=interaction_range(trained),
        length_unit="angstrom",
        supported_devices=["cuda", "cpu"],
        dtype="float64",
    )
    metadata = ModelMetadata(
        name=model.title,
        description=f"{model.title}, trained with ocp_dc",
        references={"architecture": [REFERENCES[model.name]]},
    )
    exported = AtomisticModel(MetatomicPotential(trained).eval(), metadata, capabilities)
    with replacing(path) as new:
        exported.save(str(new))
