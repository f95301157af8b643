"""dc_painn: the contract of every wrapper, forces of the energy and of the features, norms, and edges one by one."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
import torch
from fairchem.core.models.painn.painn import PaiNN

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.model_check import check_same_model
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.fit_scales import fit
from ocp_dc.fairchem1.train.scale_factors import read_scale_file
from ocp_dc.fairchem1.wrappers import DCGemNetT, DCPaiNN
from ocp_dc.testing.fairchem1 import Fairchem1WrapperContract
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.runs import GEMNET, PAINN

ARGUMENTS = {key: value for key, value in PAINN.items() if key != "name"}
LAYERS = ARGUMENTS["num_layers"]
EXACT = {"force_gradients": "exact"}


STRUCTURES = 3  # of the fixture of that name


@pytest.fixture
def batch(structures):
    return collate(structures, otf_graph=True)


def make(model_class: type = DCPaiNN, **changes: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return model_class(**{**ARGUMENTS, **changes})


class TestDCPaiNN(Fairchem1WrapperContract):
    stock_name = "painn"
    arguments = ARGUMENTS
    # in each layer one in the message and one in the update
    region_counts: ClassVar = {"output": 1, "paper": 1, "full": 2 * LAYERS + 1}
    conservative_dc: ClassVar = EXACT
    norms: ClassVar = {"batchnorm": 0, "layernorm": LAYERS, "all": LAYERS}

    @pytest.fixture
    def float64(self):
        """It compares distances with a zero of the default type."""
        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(torch.float32)

    def test_paths(self):
        report = self.build(dc={"activation": "irelu", "region": "full"}).dc_report
        layers = [
            f"{kind}_layers.{n}.{mlp}.1"
            for kind, mlp in (("message", "x_proj"), ("update", "xvec_proj"))
            for n in range(LAYERS)
        ]
        assert [swap.path for swap in report.swaps] == [*layers, "out_energy.1"]

    def test_paths_of_norms(self):
        removals = self.build(dc={"denormalize": "layernorm"}).dc_report.removals
        assert [removal.path for removal in removals] == [f"message_layers.{n}.x_layernorm" for n in range(LAYERS)]

    @pytest.mark.usefixtures("float64")
    def test_conservative_without_norms(self, structures):
        model = self.build(dc={"denormalize": "layernorm"})
        assert model.conservative
        data = self.batch(structures[:1], torch.float64)
        assert force_errors(model, data)[0] < 1e-7

    # ---- forces ----

    @pytest.mark.parametrize(
        ("dc", "gradients"),
        [
            (None, "stock"),
            ({"region": "none"}, "stock"),
            ({"force_gradients": "stock"}, "stock"),
            (EXACT, "exact"),
            ({"elsewhere": "mish"}, "exact"),
            ({"activation": "irelu", "force_gradients": "stock"}, "stock"),
        ],
    )
    def test_which_forces(self, dc, gradients):
        model = self.build(dc=dc)
        assert model.force_gradients == gradients
        assert model.conservative is (gradients == "exact")
        assert self.build(dc=dc, regress_forces=False).conservative is False

    @pytest.mark.usefixtures("float64")
    def test_the_forces_of_fairchem_are_not_those_of_its_energy(self, structures):
        """They derive the sum of the features before the energy; the energies are the same."""
        data = self.batch(structures[:1], torch.float64)
        exact, scale = force_errors(self.build(dc=EXACT), data)
        stock, _ = force_errors(self.build("painn"), data)
        assert exact < 1e-7
        assert stock > 0.1 * scale
        assert_close(self.build(dc=EXACT)(data)["energy"], self.build("painn")(data)["energy"])

    def test_direct_forces(self, batch):
        for dc in ({"activation": "irelu"}, EXACT):
            with pytest.raises(UserError, match=r"direct_forces.*not be the derivatives"):
                self.build(direct_forces=True, dc=dc)
        ours, stock = self.build(direct_forces=True), self.build("painn", direct_forces=True)
        assert ours.conservative is False
        assert all(torch.equal(ours(batch)[key], stock(batch)[key]) for key in ("energy", "forces"))

    def test_energies_alone(self, batch):
        out = self.build(regress_forces=False, dc={"activation": "irelu"})(batch)
        assert list(out) == ["energy"]


def force_errors(model: torch.nn.Module, data: Any, step: float = 1e-5) -> tuple[float, float]:
    """Return the largest deviation from the central differences of the energy, for one atom, and their largest."""
    forces, start = model(data)["forces"].detach(), data.pos.detach().clone()
    differences = []
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            data.pos = start.clone()
            data.pos[0, axis] += sign * step
            energies.append(model(data)["energy"].item())
        differences.append(-(energies[0] - energies[1]) / (2 * step))
    data.pos = start
    expected = torch.tensor(differences, dtype=torch.float64)
    return (forces[0] - expected).abs().max().item(), expected.abs().max().item()


def test_other_models_have_no_such_choice():
    arguments = {key: value for key, value in GEMNET.items() if key != "name"}
    with pytest.raises(UserError, match=r"force_gradients.*already"):
        DCGemNetT(**arguments, dc=EXACT)
    with pytest.raises(UserError, match="detaches no angles"):
        make(dc={"activation": "irelu", "angle_gradients": "exact"})


def test_the_width_of_a_bernstein_basis_is_left_alone():
    """Its softplus keeps a parameter positive, and is no activation."""
    report = make(rbf={"name": "bernstein"}, dc={"activation": "irelu", "region": "full"}).dc_report
    assert report.swapped == 2 * LAYERS + 1
    assert report.kept == (("radial_basis.rbf.softplus", "Softplus(beta=1.0, threshold=20.0)"),)


# ---- checkpoints and scale factors ----


def check(ours: dict[str, Any] | None, theirs: dict[str, Any] | None) -> None:
    model = make(dc=ours)
    blocks = [{**PAINN, "dc": dc} for dc in (ours, theirs)]
    checkpoint = {"config": {"model": blocks[1]}, "state_dict": model.state_dict()}
    check_same_model(model, blocks[0], checkpoint, "best_checkpoint.pt", strict=True)


def test_a_checkpoint_with_other_forces_is_refused():
    irelu = {"activation": "irelu"}
    with pytest.raises(UserError, match="belongs to another model"):
        check(irelu, {**irelu, "force_gradients": "stock"})
    with pytest.raises(UserError, match="belongs to another model"):
        check(None, EXACT)
    check(irelu, {**irelu, "force_gradients": "exact"})  # the same, spelled out
    check({"force_gradients": "stock"}, None)
    check(EXACT, None)  # weights of a stock model may start such a training run


def test_scale_factors_depend_on_the_norms(batch, tmp_path, caplog):
    bare = {"denormalize": "layernorm"}
    fitted = [{each.name: each.value for each in fit(make(dc=dc), [batch])} for dc in (EXACT, bare)]
    assert [list(values) for values in fitted] == [[f"upd_out_scalar_scale_{n}" for n in range(LAYERS)]] * 2
    assert fitted[0] != fitted[1]
    path = tmp_path / "scales.json"
    path.write_text(json.dumps({"comment": {"dc": EXACT}, **fitted[0]}))
    block = {"name": "dc_painn", "scale_file": str(path), "dc": {"activation": "irelu"}}
    assert read_scale_file(block) == pytest.approx(fitted[0])
    assert caplog.text == ""
    with caplog.at_level("WARNING"):  # a calculator of another test may have raised the level
        read_scale_file({**block, "dc": bare})
    assert "was fitted for dc" in caplog.text


# ---- what rests on the fallbacks: edges and sums, one by one ----


def test_edges(structures, batch):
    """Every pair within the cutoff in both directions, each structure apart, the vector from target to source."""
    model = make(PaiNN, cutoff=3.0)
    edge_index, neighbors, distances, directions, swap = model.generate_graph_values(batch)
    position, owner = batch.pos.detach(), batch.batch
    expected = {
        (j, i): position[j] - position[i]
        for i in range(len(position))
        for j in range(len(position))
        if i != j and owner[i] == owner[j] and (position[j] - position[i]).norm() <= 3.0
    }
    found = [tuple(edge) for edge in edge_index.T.tolist()]
    assert sorted(found) == sorted(expected)
    assert len(expected) < sum(len(s.pos) * (len(s.pos) - 1) for s in structures)  # the cutoff cuts
    for number, edge in enumerate(found):
        assert_close(distances[number] * directions[number], expected[edge])
        assert found[swap[number]] == edge[::-1]
    assert neighbors.tolist() == [sum(owner[j] == k for j, _ in expected) for k in range(len(structures))]


def test_messages(batch):
    """A message layer summed atom by atom: arXiv 2102.03150, equations 7 and 8, with fairchem's constants."""
    model = make(PaiNN).eval()
    hidden = ARGUMENTS["hidden_channels"]
    edge_index, _, distances, directions, _ = model.generate_graph_values(batch)
    layer, rbf = model.message_layers[0], model.radial_basis(distances)
    x = torch.randn(len(batch.pos), hidden)
    vectors = torch.randn(len(batch.pos), 3, hidden)
    dx, dvec = layer(x, vectors, edge_index, rbf, directions)
    inner, weights = layer.x_proj(layer.x_layernorm(x)), layer.rbf_proj(rbf)
    sums, vector_sums = torch.zeros_like(dx), torch.zeros_like(dvec)
    for edge, (j, i) in enumerate(edge_index.T.tolist()):
        a, b, c = (inner[j] * weights[edge]).split(hidden)
        sums[i] += a
        outer = directions[edge][:, None] * c[None, :]  # [3, hidden]
        vector_sums[i] += (vectors[j] * b / 3**0.5 + outer) / hidden**0.5
    assert_close(dx, sums)
    assert_close(dvec, vector_sums)
