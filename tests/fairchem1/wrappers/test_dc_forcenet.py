"""dc_forcenet: the contract of every wrapper, its regions and norms, and the model against known answers."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch

from ocp_dc.core.errors import UserError
from ocp_dc.models.forcenet_layers import Interaction
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.model_checks import ModelChecks, edge_graph
from tests.helpers.runs import FORCENET

ARGUMENTS = {key: value for key, value in FORCENET.items() if key != "name"}
BLOCKS = ARGUMENTS["num_interactions"]
ALL = BLOCKS * (2 + 1) + 1  # two in the filter's network, one after the convolution, and the output's


class TestDCForceNet(Fairchem1WrapperContract, ModelChecks):
    stock_name = "forcenet"
    arguments = ARGUMENTS
    region_counts: ClassVar = {"output": 1, "paper": ALL, "full": ALL}
    norms: ClassVar = {"batchnorm": BLOCKS, "layernorm": 0, "all": BLOCKS}
    wide: ClassVar = {"hidden_channels": 32, "num_freqs": 20}
    not_invariant = "ForceNet takes the directions of edges as they are, by construction not invariant under rotation"

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "paper", "denormalize": "batchnorm"}).dc_report
        block = ("mlp_edge.1", "mlp_edge.3", "mlp_trans.2")
        assert [swap.path for swap in report.swaps] == [
            "activation",
            *(f"interactions.{number}.{name}" for number in range(BLOCKS) for name in block),
        ]
        assert [removal.path for removal in report.removals] == [
            f"interactions.{number}.mlp_trans.1" for number in range(BLOCKS)
        ]

    def test_depths(self):
        report = self.build(
            depth_mlp_edge=1, depth_mlp_node=3, dc={"activation": "irelu", "denormalize": "all"}
        ).dc_report
        assert (report.swapped, len(report.removals)) == (BLOCKS * (1 + 3) + 1, BLOCKS * 3)

    def test_depends_on_the_orientation(self, structures):
        """The reason why the contract's invariance test is skipped."""
        model = self.build().double().eval()
        batch = self.batch(structures[:1], torch.float64)
        energy = model(batch)["energy"]
        batch.pos = batch.pos.detach()[:, [1, 2, 0]]  # a rotation by 120 degrees
        assert (model(batch)["energy"] - energy).abs().item() > 1e-4

    def test_the_energy_is_extensive_but_for_its_bias(self, structures):
        model = self.build().double().eval()
        one, two = (self.batch(structures[:1], torch.float64) for _ in range(2))
        two.pos = torch.cat([two.pos, two.pos + 100.0])
        two.atomic_numbers = two.atomic_numbers.repeat(2)
        two.batch, two.natoms = two.batch.repeat(2), 2 * two.natoms
        bias = model.energy_mlp.bias
        assert_close(model(two)["energy"] - bias, 2 * (model(one)["energy"] - bias))

    def test_direct_forces(self, structures):
        with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
            self.build(direct_forces=True, dc={"activation": "irelu"})
        for decoder, norms in (("mlp", BLOCKS + 1), ("linear", BLOCKS)):
            model = self.build(direct_forces=True, decoder_type=decoder)
            assert model.conservative is False
            assert sum(isinstance(part, torch.nn.BatchNorm1d) for part in model.modules()) == norms
            batch = self.batch(structures)
            out = model(batch)
            assert (out["energy"].shape, out["forces"].shape) == ((len(structures), 1), batch.pos.shape)
            assert not batch.pos.requires_grad

    def test_without_direct_forces_every_parameter_is_trained(self, structures):
        """An unused one would stop a training run on several ranks."""
        for direct in (False, True):
            model = self.build(direct_forces=direct)
            out = model(self.batch(structures))
            (out["energy"].sum() + out["forces"].square().sum()).backward()
            assert [name for name, p in model.named_parameters() if p.grad is None] == []

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"basis": "sphallmul"}, r"model\.basis: got 'sphallmul', expected 'gauss'"),
            ({"depth_mlp_node": 0}, r"model\.depth_mlp_node: got 0, expected .*at least 1"),
            ({"activation_str": "swich"}, r"swich.*Did you mean 'swish'"),
            ({"direct_forces": True, "decoder_type": "mpl"}, r"model\.decoder_type.*Did you mean 'mlp'"),
        ],
    )
    def test_arguments(self, changes, message):
        with pytest.raises(UserError, match=message):
            self.build(**changes)

    def test_edge_features_by_hand(self):
        """O at the origin and H at 1.2 Å along x; radii 0.6 and 0.25 Å, in units of the cutoff of 5 Å."""
        model = self.build().double()
        graph = edge_graph([1, 0], [0, 1], 2)
        vectors = torch.tensor([[1.2, 0.0, 0.0], [-1.2, 0.0, 0.0]], dtype=torch.float64)
        features = model.edge_features(torch.tensor([8, 1]), vectors, torch.full((2, 1), 1.2).double(), graph)
        expected = [[1.0, 0.5, 0.5, 0.24, 0.19, 0.12, 0.07], [0.0, 0.5, 0.5, 0.24, 0.12, 0.19, 0.07]]
        torch.testing.assert_close(features, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-7)
        nearer = model.edge_features(torch.tensor([8, 1]), vectors, torch.full((2, 1), 0.8).double(), graph)
        torch.testing.assert_close(nearer[:, 6], torch.full((2,), 1e-3, dtype=torch.float64))  # within the radii

    def test_features_of_the_elements(self):
        """Brought to [0, 1]; hydrogen has the lowest group and period of all."""
        rows = self.build().elements(torch.arange(1, 84))
        assert rows[0, :2].tolist() == [0.0, 0.0]
        assert (rows.min().item(), rows.max().item()) == (0.0, 1.0)
        with pytest.raises(UserError, match=r"for Kr, Xe, Rn;"):
            self.build().check_elements(torch.tensor([36, 54, 86, 6]))


def test_an_interaction_by_hand():
    """Two atoms of one feature, x = (1, -2), one edge 0 -> 1; every weight written out, SiLU, no norm to speak of."""
    block: Any = Interaction(1, 2, 1, 1, "swish").double().eval()
    block.mlp_trans[1].eps = 0.0
    weights = {
        "center_W": [[0.7]],
        "lin_basis.weight": [[0.5, -1.0]],
        "mlp_edge.0.weight": [[0.25, 0.5, 2.0]],
        "mlp_edge.2.weight": [[-1.5]],
        "lin.weight": [[3.0]],
        "mlp_trans.0.weight": [[0.5]],
        "mlp_trans.3.weight": [[2.0]],
        "mlp_trans.3.bias": [0.25],
    }
    with torch.no_grad():
        for name, value in weights.items():
            block.get_parameter(name).copy_(torch.tensor(value))
    x = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    edges, weight = torch.tensor([[2.0, 4.0]], dtype=torch.float64), torch.tensor([[0.5]], dtype=torch.float64)
    new = block(x, edges, weight, edge_graph([0], [1], 2))

    def silu(value: float) -> float:
        return value / (1 + math.exp(-value))

    filter_01 = -1.5 * silu(0.25 * (0.5 * 2 - 4) + 0.5 * 1 + 2.0 * -2) * 0.5  # source 0 first, then target 1
    sums = [0.7 * 3, 3 * filter_01 + 0.7 * -6]
    expected = [[2 * silu(0.5 * value) + 0.25] for value in sums]
    torch.testing.assert_close(new, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-7)  # 0.7 in float32
