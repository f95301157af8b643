"""Trained potentials of both hosts as native modules, with everything that brings their outputs to physical units."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ocp_dc.checkpoints.models import most_neighbors
from ocp_dc.checkpoints.read import read_potential
from ocp_dc.checkpoints.saved_potential import SavedPotential, build_potential
from ocp_dc.core.errors import UserError
from ocp_dc.graphs.search import EdgeSearch
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential

ELEMENTS = 119  # rows of a table by atomic number
# the models that need more than weights and edges
REFUSED = {
    "cgcnn": "reads features of the elements from fairchem, which a checkpoint does not contain",
    "forcenet": "reads properties of the elements from fairchem, which a checkpoint does not contain",
    "gemnet_oc": "has several graphs with quadruplets of atoms",
}


@dataclasses.dataclass(frozen=True)
class TrainedPotential:
    """A trained potential, ready to predict.

    Args:
        potential: the potential with its weights, in eval mode.
        saved: the content of its checkpoint.
        search: how the edges of a structure are found.
        references: energy of an atom of each element in eV, float64 [119]: zero where there are no references, NaN for
            elements that the potential does not support.
    """

    potential: Potential[Any]
    saved: SavedPotential
    search: EdgeSearch
    references: Tensor

    @property
    def elements(self) -> list[int]:
        """The atomic numbers that it supports."""
        return [int(number) for number in self.references.isfinite().nonzero()]


def load_trained(checkpoint: str | Path) -> TrainedPotential:
    """Return the potential of a checkpoint of fairchem 1 or 2, without either.

    Args:
        checkpoint: the file; it is read as data.

    Raises:
        UserError: the file is missing, damaged or hostile, or its model needs fairchem.
    """
    _, saved = read_potential(checkpoint)
    if saved.model.name in REFUSED:
        raise UserError(
            f"checkpoint {checkpoint}: {saved.model.title} {REFUSED[saved.model.name]}; expected SchNet, PaiNN, "
            "DimeNet++ or GemNet-dT. Use ocp_dc.calculator, where fairchem is installed"
        )
    potential = build_potential(saved.model, saved.arguments, saved.dc, saved.weights)
    potential.load_state_dict(dict(saved.weights))
    potential.eval().requires_grad_(False)
    search = EdgeSearch(
        potential.cutoff, most_neighbors(saved.model, saved.graph), bool(saved.graph.get("use_pbc", True))
    )
    return TrainedPotential(potential, saved, search, _references(saved, potential))


def interaction_range(trained: TrainedPotential) -> float:
    """Return how far away an atom may be that the energy of another depends on, in Å."""
    potential: Any = trained.potential
    steps: int = {  # edges on the way to the farthest atom
        "schnet": lambda: len(potential.interactions),
        "painn": lambda: len(potential.message_layers),
        "dimenetplusplus": lambda: len(potential.interaction_blocks) + 1,
        "gemnet_t": lambda: 2 * len(potential.int_blocks) + 1,
    }[trained.saved.model.name]()
    return steps * potential.cutoff


def _references(saved: SavedPotential, potential: Potential[Any]) -> Tensor:
    references = torch.zeros(ELEMENTS, dtype=torch.float64)
    if saved.references is not None:
        references.fill_(torch.nan)
        references[: len(saved.references)] = saved.references[:ELEMENTS]
    known = [_has_features(potential, number) for number in range(ELEMENTS)]
    return torch.where(torch.tensor(known), references, torch.nan)


def _has_features(potential: Potential[Any], number: int) -> bool:
    """Return whether the energy of two atoms of an element can be computed."""
    if number == 0:
        return False
    numbers, natoms = torch.full((2,), number), torch.tensor([2])
    source, images = torch.tensor([1, 0]), torch.zeros(2, 3, dtype=torch.int64)
    edges = EdgeGraph(source, source.flip(0), torch.zeros(2, 3), images, torch.zeros(2, dtype=torch.int64), natoms)
    positions = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    try:
        potential.check_elements(numbers)
        with torch.no_grad():
            potential.energy(numbers, positions, potential.build_graph(edges))
    except (UserError, IndexError):
        return False
    return True
