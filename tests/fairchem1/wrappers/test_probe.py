"""The structure that every model can compute."""

from __future__ import annotations

import pytest
import torch

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
