"""dc_cgcnn: the contract of every wrapper, its regions and norms, and the model against known answers."""

from __future__ import annotations

import math
from typing import ClassVar

import pytest
import torch
from torch.nn import functional as F
from torch_geometric.nn import CGConv

from ocp_dc.core.errors import UserError
from ocp_dc.models.cgcnn import CGCNNConv
from ocp_dc.models.features import ElementTable, GaussianBasis
from ocp_dc.surgery import remove_norms
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.model_checks import ModelChecks, edge_graph
from tests.helpers.runs import CGCNN

ARGUMENTS = {key: value for key, value in CGCNN.items() if key != "name"}
CONVS, LAYERS = ARGUMENTS["num_graph_conv_layers"], ARGUMENTS["num_fc_layers"]


class TestDCCGCNN(Fairchem1WrapperContract, ModelChecks):
    stock_name = "cgcnn"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": LAYERS, "paper": LAYERS, "full": LAYERS + 2 * CONVS}
    norms: ClassVar = {"batchnorm": CONVS, "layernorm": CONVS, "all": 2 * CONVS}
    wide: ClassVar = {"atom_embedding_size": 48, "fc_feat_size": 32, "num_gaussians": 40}

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "full", "denormalize": "all"}).dc_report
        assert [swap.path for swap in report.swaps] == [
            *(f"convs.{number}.{name}" for number in range(CONVS) for name in ("core", "activation")),
            "conv_to_fc.1",
            "fcs.1",
            "fcs.3",
        ]
        assert [removal.path for removal in report.removals] == [
            "convs.0.bn1",
            "convs.0.ln1",
            "convs.1.bn1",
            "convs.1.ln1",
        ]

    def test_one_fully_connected_layer(self):
        report = self.build(num_fc_layers=1, dc={"activation": "irelu", "region": "paper"}).dc_report
        assert [swap.path for swap in report.swaps] == ["conv_to_fc.1"]

    @pytest.mark.parametrize("region", ["full", ["gate", "core"]])
    def test_gates_stay(self, region):
        if region == "full":
            model = self.build(dc={"activation": "irelu", "region": region})
            assert all(isinstance(conv.gate, torch.nn.Sigmoid) for conv in model.convs)
        else:
            with pytest.raises(UserError, match="'gate' matches no activation"):
                self.build(dc={"activation": "irelu", "region": region})

    def test_the_energy_is_intensive(self, structures):
        """Of two molecules that are out of each other's reach: the mean over atoms, and not the sum."""
        model = self.build().double().eval()
        one = self.batch(structures[:1], torch.float64)
        two = self.batch(structures[:1], torch.float64)
        two.pos = torch.cat([two.pos, two.pos + 100.0])
        two.atomic_numbers = two.atomic_numbers.repeat(2)
        two.batch, two.natoms = two.batch.repeat(2), 2 * two.natoms
        assert_close(model(two)["energy"], model(one)["energy"])

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"embeddings": "k-hot"}, r"model\.embeddings.*khot, qmof.*Did you mean 'khot'"),
            ({"num_graph_conv_layers": 0}, r"model\.num_graph_conv_layers: got 0, expected .*at least 1"),
            ({"num_gaussians": 1}, r"model\.num_gaussians: got 1, expected .*at least 2"),
            ({"fc_feat_size": 16.0}, r"model\.fc_feat_size: got 16\.0, expected a whole number"),
        ],
    )
    def test_arguments(self, changes, message):
        with pytest.raises(UserError, match=message):
            self.build(**changes)

    def test_embeddings(self, structures):
        """H, C and O in the k-hot tables of CGCNN (92 places) and of QMOF (72)."""
        for embeddings, width in (("khot", 92), ("qmof", 72)):
            model = self.build(embeddings=embeddings).eval()
            rows = model.elements(torch.tensor([1, 6, 8]))
            assert rows.shape == (3, width)
            assert set(rows.unique().tolist()) == {0.0, 1.0}
            assert torch.isfinite(model(self.batch(structures))["forces"]).all()


# ---- the parts against known answers ----


def test_a_convolution_by_hand():
    """Two atoms of one feature, x = (1, 2), an edge each way with the feature 3, and W z + b written out."""
    conv = CGCNNConv(1, 1).double().eval()
    with torch.no_grad():
        conv.lin1.weight.copy_(torch.tensor([[0.1, -0.2, 0.3], [0.5, 0.25, -0.1]]))
        conv.lin1.bias.copy_(torch.tensor([0.05, -0.15]))
    remove_norms(conv, "layernorm")  # of one feature it would leave nothing
    conv.bn1.eps = 0.0
    graph = edge_graph([0, 1], [1, 0], 2)
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    new = conv(x, torch.full((2, 1), 3.0, dtype=torch.float64), graph)

    def softplus(value: float) -> float:
        return math.log1p(math.exp(value))

    for atom, (own, other) in enumerate(((1.0, 2.0), (2.0, 1.0))):
        gate = 1 / (1 + math.exp(-(0.1 * own - 0.2 * other + 0.3 * 3 + 0.05)))
        message = gate * softplus(0.5 * own + 0.25 * other - 0.1 * 3 - 0.15)
        assert new[atom].item() == pytest.approx(softplus(message + own), rel=1e-6)  # the weights are float32 numbers


def test_a_convolution_is_that_of_torch_geometric():
    """Without its norms, and before the last softplus, it is CGConv."""
    torch.manual_seed(0)
    conv, reference = CGCNNConv(5, 3).double(), CGConv(5, 3).double()
    remove_norms(conv, "all")
    with torch.no_grad():
        for half, layer in enumerate((reference.lin_f, reference.lin_s)):
            layer.weight.copy_(conv.lin1.weight[5 * half : 5 * (half + 1)])
            layer.bias.copy_(conv.lin1.bias[5 * half : 5 * (half + 1)])
    source, target = torch.randint(7, (2, 30))
    x, edges = torch.randn(7, 5, dtype=torch.float64), torch.randn(30, 3, dtype=torch.float64)
    ours = conv(x, edges, edge_graph(source, target, 7))
    assert_close(ours, F.softplus(reference(x, torch.stack([source, target]), edges)))


def test_gaussians():
    """Centers at 0, 1/2 and 1, so that Δ = 1/2 and exp(-(x - μ)² / 2Δ²) = exp(-2 (x - μ)²)."""
    basis = GaussianBasis(0.0, 1.0, 3).double()
    x = torch.tensor([[0.5, 0.25], [1.0, -1.0]], dtype=torch.float64)
    by_hand = [[0.5, 0.0, 0.5, 0.125, 0.125, 1.125], [2.0, 0.5, 0.0, 2.0, 4.5, 8.0]]  # 2 (x - μ)²
    assert_close(basis(x), torch.exp(-torch.tensor(by_hand, dtype=torch.float64)))


def test_element_table():
    table = ElementTable({1: [2.0, 5.0], 3: [4.0, 1.0], 4: [3.0, math.nan], 5: [3.0, 4.0]}, unit_range=True)
    assert table(torch.tensor([5, 1, 3])).tolist() == [[0.5, 0.75], [0.0, 1.0], [1.0, 0.0]]
    table.check(torch.tensor([1, 3, 5]))
    with pytest.raises(UserError, match=r"no entry, or an incomplete one, for He, Be;"):
        table.check(torch.tensor([4, 1, 2, 4]))
