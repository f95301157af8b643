"""dc_hydra: the contract of every wrapper on gates, the regions of each backbone, and which heads are conservative."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.wrappers import DCHydra
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract

from tests.helpers.runs import EQUIFORMER_V2, ESCN, GEMNET, HYDRA

ARGUMENTS = {key: value for key, value in HYDRA.items() if key != "name"}
LAYERS = ARGUMENTS["backbone"]["num_layers"]


STRUCTURES = 2  # of the fixture of that name


class TestDCHydra(Fairchem1WrapperContract):
    stock_name = "hydra"
    arguments = ARGUMENTS
    # of each gate activation the scalars' only, beside the activation before the gates of an atom
    region_counts: ClassVar = {"output": 2, "paper": 2, "full": 2 + LAYERS * (2 + 1 + 2) + 2}
    norms: ClassVar = {"batchnorm": 0, "layernorm": 2 * (1 + LAYERS), "all": 1 + 2 * LAYERS + 2 * (1 + LAYERS)}

    def test_gates_stay(self):
        model = self.build(dc={"activation": "irelu", "region": "full", "elsewhere": "mish"})
        gates = [module for name, module in model.named_modules() if name.endswith("gate_act")]
        assert len(gates) == 2 * LAYERS
        assert all(type(gate) is torch.nn.Sigmoid for gate in gates)

    def test_a_region_by_patterns(self):
        report = self.build(dc={"activation": "irelu", "region": [r"^backbone\.blocks\.1\.edge_wise\.act"]}).dc_report
        assert [swap.path for swap in report.swaps] == ["backbone.blocks.1.edge_wise.act.scalar_act"]


# ---- other backbones and heads ----

PAINN = {"hidden_channels": 8, "num_layers": 1, "num_rbf": 6, "cutoff": 5.0, "use_pbc": False, "otf_graph": True}
GEMNET_T = {key: value for key, value in GEMNET.items() if key != "name"}
DIMENET = {
    "hidden_channels": 8,
    "out_emb_channels": 8,
    "num_blocks": 1,
    "int_emb_size": 4,
    "basis_emb_size": 2,
    "num_spherical": 2,
    "num_radial": 2,
    "cutoff": 5.0,
    "use_pbc": False,
    "otf_graph": True,
}
ESEN = ARGUMENTS["backbone"]
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "esen": (ESEN, ["esen_mlp_efs_head"]),
    "gemnet_t": ({"model": "gemnet_t_backbone", **GEMNET_T}, ["gemnet_t_energy_and_grad_force_head"]),
}
DIRECT: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "esen": (ESEN, ["esen_mlp_energy_head", "esen_linear_force_head"], "Linear_Force_Head"),
    "dimenetplusplus": (
        {"model": "dimenetplusplus_backbone", **DIMENET},
        ["dimenetplusplus_energy_and_force_head"],
        "detaches the angles",
    ),
    "gemnet_t": (
        {"model": "gemnet_t_backbone", **GEMNET_T, "direct_forces": True},
        ["gemnet_t_energy_and_grad_force_head", "gemnet_t_force_head"],
        "GemNetTForceHead",
    ),
    "painn": ({"model": "painn_backbone", **PAINN}, ["painn_energy_head", "painn_force_head"], "PaiNNForceHead"),
    "painn, a gradient of features": (
        {"model": "painn_backbone", **PAINN, "direct_forces": False},
        ["painn_energy_head", "painn_force_head"],
        "PaiNNForceHead",
    ),
    "escn": (
        {"model": "escn_backbone", **ESCN},
        ["escn_energy_head", "escn_force_head"],
        "detaches the rotations",
    ),
    "equiformer_v2": (
        {"model": "equiformer_v2_backbone", **EQUIFORMER_V2},
        ["equiformerV2_scalar_head", "equiformerV2_vector_head"],
        "detaches the rotations",
    ),
}


def build(backbone: dict[str, Any], heads: list[str], **dc: Any) -> DCHydra:
    torch.manual_seed(0)
    blocks = {f"head{number}": {"module": head} for number, head in enumerate(heads)}
    return DCHydra(backbone=backbone, heads=blocks, pass_through_head_outputs=True, dc=dc)


def force_and_difference(model: DCHydra, sample: Any, step: float = 1e-4) -> tuple[float, float]:
    """The force on one coordinate, and the central difference of the energy along it."""
    model = model.double().eval()
    batch = collate([sample.clone()], otf_graph=True)
    start, energies = batch.pos.double(), []
    for shift in (0.0, step, -step):
        batch.pos = start.clone()
        batch.pos[0, 0] += shift
        torch.manual_seed(1)
        out = model(batch)
        energies.append(out["energy"].item())
        if shift == 0.0:
            force = out["forces"][0, 0].item()
    return force, -(energies[1] - energies[2]) / (2 * step)


@pytest.mark.parametrize("case", CASES)
def test_conservative_heads(case, structures):
    backbone, heads = CASES[case]
    model = build(backbone, heads, activation="irelu", region="output")
    assert model.conservative
    force, difference = force_and_difference(model, structures[0])
    assert force == pytest.approx(difference, rel=1e-4)
    with pytest.raises(UserError, match=r"allow_direct.*predicts no forces directly"):
        build(backbone, heads, allow_direct=True)


@pytest.mark.parametrize("case", DIRECT)
def test_direct_heads(case, caplog):
    backbone, heads, reason = DIRECT[case]
    assert build(backbone, heads, allow_direct=True).dc_report is None
    with pytest.raises(UserError, match=rf"not the derivatives of its energy: .*{reason}.*allow_direct: true"):
        build(backbone, heads, activation="irelu")
    with caplog.at_level(logging.WARNING):
        model = build(backbone, heads, activation="irelu", region="output", allow_direct=True)
    assert "not the derivatives of its energy" in caplog.text
    assert model.conservative is False
    assert model.dc_report.swapped >= 1


def test_gradients_with_detached_angles(structures):
    """Fairchem's DimeNet++ differentiates its energy, and yet the forces are not -dE/dx."""
    backbone, heads, _ = DIRECT["dimenetplusplus"]
    model = build(backbone, heads)
    for block in model.backbone.output_blocks:
        torch.nn.init.normal_(block.lin.weight)  # it starts from an energy of zero
    force, difference = force_and_difference(model, structures[0])
    assert force != pytest.approx(difference, rel=0.05)


def test_energy_alone():
    """No forces: none are wrong, and none are conservative."""
    model = build({**ESEN, "direct_forces": False}, ["esen_mlp_energy_head"], activation="irelu")
    assert model.conservative is False
