"""The structure that every model can compute."""

from __future__ import annotations

import pytest
import torch
from ase import Atoms

from ocp_dc.fairchem1.wrappers import probe
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.every_model import CASES, KINDS, wrapper


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_every_model_computes_it(name, kind):
    model = wrapper(name, kind).eval()
    outputs = []
    model.register_forward_hook(lambda model, inputs, out: outputs.append(out))
    probe.forward_once(model)
    (out,) = outputs
    assert out["energy"].numel() == 1
    assert out["forces"].shape == (4, 3)
    assert torch.isfinite(out["energy"]).all()
    assert torch.isfinite(out["forces"]).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["dc_schnet", "dc_dimenetplusplus", "dc_gemnet_t", "dc_painn", "dc_cgcnn"])
def test_models_that_read_edges_find_all_of_them(name, kind):
    energies = []
    for otf_graph in (True, False):
        model = wrapper(name, kind, otf_graph=otf_graph).eval()
        model.register_forward_hook(lambda model, inputs, out: energies.append(out["energy"].detach()))
        probe.forward_once(model)
    assert_close(*energies)


def test_it_is_a_molecule_without_symmetry():
    atoms = Atoms(probe._NUMBERS, probe._POSITIONS)
    bonds = [atoms.get_distance(i, i + 1) for i in range(3)]
    assert min(bonds) > 0.9
    assert max(bonds) < 1.5
    assert all(90 < atoms.get_angle(i, i + 1, i + 2) < 120 for i in range(2))
    assert atoms.get_all_distances().max() < probe._EDGES
    assert 30 < atoms.get_dihedral(0, 1, 2, 3) % 180 < 150
