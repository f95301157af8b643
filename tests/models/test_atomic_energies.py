"""Energies of atoms: the terms of energies that are sums over atoms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from ocp_dc.checkpoints.saved_potential import build_potential
from ocp_dc.core.errors import UserError
from ocp_dc.models.graph import EdgeGraph, graph_of_atoms
from ocp_dc.models.potential import Potential

from tests.helpers.exported import crystal, inputs, molecule
from tests.helpers.old_checkpoints import ARGUMENTS, draw_weights, model_named

SUMS = ("schnet", "painn", "dimenetplusplus", "gemnet_t", "gemnet_oc")


def make(name: str, **changes: Any) -> Potential[Any]:
    torch.manual_seed(0)
    potential = build_potential(model_named(name), {**ARGUMENTS[name], **changes}, None, {})
    draw_weights(potential, size=0.1)
    return potential.double().eval()


def arguments(potential: Potential[Any], structures: list[Atoms]) -> tuple[Tensor, Tensor, Any]:
    """Return what the potential takes, with edges found by ase."""
    numbers, positions, cells, source, target, images, batch = inputs(structures, potential.cutoff)
    offsets = torch.einsum("ei,eij->ej", images.double(), cells[batch[source]].double())  # [E, 3]
    natoms = torch.tensor([len(atoms) for atoms in structures])
    return numbers, positions, potential.build_graph(EdgeGraph(source, target, offsets, images, batch, natoms))


def energies(potential: Potential[Any], structures: list[Atoms]) -> np.ndarray:
    with torch.no_grad():
        return potential.atomic_energies(*arguments(potential, structures)).numpy()


@pytest.mark.parametrize("name", SUMS)
def test_terms_of_the_energy(name):
    """They add up to the energy, belong to their atom, and do not depend on atoms far away."""
    potential = make(name)
    one, two = molecule(), crystal()
    found = energies(potential, [one, two])
    with torch.no_grad():
        expected = potential.energy(*arguments(potential, [one, two]))[:, 0].numpy()
    assert found.shape == (len(one) + len(two),)
    assert found.std() > 1e-3
    np.testing.assert_allclose([found[: len(one)].sum(), found[len(one) :].sum()], expected, rtol=1e-10)
    order = np.random.default_rng(0).permutation(len(two))
    np.testing.assert_allclose(energies(potential, [two[order]]), found[len(one) :][order], rtol=1e-9)
    other = molecule()[[2, 0, 5]]
    other.positions += [0, 0, 40]
    together = energies(potential, [one + other])
    np.testing.assert_allclose(together, np.concatenate([found[: len(one)], energies(potential, [other])]), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("schnet", {"readout": "mean"}), ("gemnet_t", {"extensive": False}), ("gemnet_oc", {"extensive": False})],
)
def test_a_mean_has_no_such_terms(name, changes):
    potential = make(name, **changes)
    with pytest.raises(UserError, match="not a sum over the atoms"):
        energies(potential, [molecule()])


@pytest.mark.parametrize("name", ["cgcnn", "forcenet"])
def test_networks_of_whole_structures_have_none(name):
    """Their last layers act on a mean or a sum of features."""
    assert not make(name).has_atomic_energies


def test_the_edges_stay_the_same():
    numbers, _, graph = arguments(make("gemnet_oc"), [molecule(), crystal()])
    separated = graph_of_atoms(graph)
    assert separated.main.pairs.batch.tolist() == list(range(len(numbers)))
    assert separated.main.pairs.natoms.tolist() == [1] * len(numbers)
    assert torch.equal(separated.main.pairs.source, graph.main.pairs.source)
    assert graph.main.pairs.natoms.tolist() == [len(molecule()), len(crystal())]
