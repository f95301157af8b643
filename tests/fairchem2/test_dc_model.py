"""The contract of DCHydraModel, over the models that come with fairchem 2."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import pytest
import torch
from fairchem.core.models.uma.escn_md import eSCNMDBackbone
from torch.optim.swa_utils import AveragedModel

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.dc_model import DCHydraModel
from ocp_dc.surgery import fitting_gains
from ocp_dc.testing.tolerances import assert_close

from tests.helpers.fairchem2_hydras import arguments, batch, default_dtype, hydra_model, kinds, stock_model, structures

FULL = {"activation": {"name": "irelu", "coefficient": 0.25}, "region": "full", "denormalize": "all"}


class HydraContract:
    """What holds for each model; a subclass names it and gives its counts."""

    name: ClassVar[str]
    swapped: ClassVar[dict[str, int]]  # by region
    gates: ClassVar[int] = 0
    removed: ClassVar[dict[str, int]]  # norms by the value of denormalize
    precision: ClassVar[torch.dtype] = torch.float64
    step: ClassVar[float] = 1e-4  # Å, of finite differences
    tolerance: ClassVar[float] = 1e-6  # relative to the largest force

    @pytest.mark.parametrize("dc", [None, {}, {"region": "none"}, {"accelerate": "off"}], ids=str)
    def test_without_changes_it_is_the_stock_model(self, dc: dict[str, Any] | None) -> None:
        stock = stock_model(self.name)
        drawn = torch.rand(1)
        ours = hydra_model(self.name, dc)
        assert torch.equal(torch.rand(1), drawn)
        assert [type(part) for part in ours.modules()][1:] == [type(part) for part in stock.modules()][1:]
        assert ours.dc_report is None
        expected, found = stock.state_dict(), ours.state_dict()
        assert list(expected) == list(found)
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        for training in (True, False):
            outputs = []
            for model in (stock.train(training), ours.train(training)):
                torch.manual_seed(1)
                outputs.append(model(batch()))
            assert outputs[0].keys() == outputs[1].keys()
            for key, values in outputs[0].items():
                for name, value in values.items():
                    # the same modules, yet fairchem's sums differ in the last bit from one call to the next
                    assert_close(outputs[1][key][name], value)

    def test_regions(self) -> None:
        stock_model(self.name)
        drawn = torch.rand(1)
        for region, count in self.swapped.items():
            model = hydra_model(self.name, {"region": region})
            assert torch.equal(torch.rand(1), drawn)  # surgery draws no random number
            assert model.dc_report.swapped == count, region
            assert kinds(model, "IReLU")["IReLU"] == count
        assert len(hydra_model(self.name, {"region": "full"}).dc_report.kept) == self.gates

    def test_norms(self) -> None:
        for which, count in self.removed.items():
            model = hydra_model(self.name, {"region": "output", "denormalize": which})
            assert len(model.dc_report.removals) == count, which

    def test_strict_state_dicts_are_exchanged(self) -> None:
        ours, stock = hydra_model(self.name, {"region": "full"}), stock_model(self.name)
        with torch.no_grad():
            for weight in ours.parameters():
                weight.add_(0.01)
        stock.load_state_dict(ours.state_dict())
        hydra_model(self.name, {"region": "full"}).load_state_dict(stock.state_dict())
        # without norms some weights are gone, none has another name
        assert set(hydra_model(self.name, FULL).state_dict()) < set(stock.state_dict())

    def test_copies(self) -> None:
        model = hydra_model(self.name, FULL).eval()
        copied = copy.deepcopy(model)
        averaged = AveragedModel(model)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1)
        original, *copies = (m(batch())["energy"]["energy"] for m in (model, copied, averaged))
        assert_close(*copies)
        assert not torch.allclose(original, copies[0], rtol=1e-3, atol=0)

    @pytest.mark.parametrize("dc", [{"region": "output"}, FULL], ids=["output", "full"])
    def test_forces_are_the_gradient_of_the_energy(self, dc: dict[str, Any]) -> None:
        with default_dtype(self.precision):
            model = hydra_model(self.name, dc).eval()
        assert model.conservative
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "norm" not in name and dc == FULL:  # larger weights and biases, or the energy is nearly constant
                    weight.mul_(1.5).add_(0.05)
        atoms = structures()[0]
        forces = model(batch(self.precision, [atoms]))["forces"]["forces"].detach()
        unit = float(forces.abs().max())
        assert unit > 1e-4
        for index, axis in ((0, 0), (1, 2), (3, 1)):
            moved = [atoms.copy(), atoms.copy()]
            moved[0].positions[index, axis] += self.step
            moved[1].positions[index, axis] -= self.step
            plus, minus = model(batch(self.precision, moved))["energy"]["energy"].detach().double()
            assert abs(-(plus - minus) / (2 * self.step) - forces[index, axis]) < self.tolerance * unit

    def test_fitted_gains(self) -> None:
        model = hydra_model(self.name, {**FULL, "norm_gain": "fitted"})
        with fitting_gains(model) as gains:
            model(batch())
        assert len(gains) == self.removed["all"]
        assert all(torch.isfinite(gain.gain) for gain in gains)

    def test_insertions(self) -> None:
        """The widths are found by a pass, after which the model can be copied, and no random number is drawn."""
        hydra_model(self.name)
        expected = torch.rand(1)
        model = hydra_model(
            self.name,
            {"region": "output", "dropout": 0.1, "insert_norm": "batchnorm", "insert_region": [r"^output_heads\."]},
        )
        assert torch.equal(torch.rand(1), expected)
        assert len(model.dc_report.insertions) == kinds(model, "BatchNorm1d")["BatchNorm1d"] > 0
        assert model.device is None
        copy.deepcopy(model)


class TestESCNMD(HydraContract):
    name = "escnmd"
    swapped: ClassVar = {"output": 2, "paper": 2, "full": 15}
    removed: ClassVar = {"none": 0, "batchnorm": 0, "layernorm": 6, "all": 11}


class TestMixtureOfExperts(HydraContract):
    name = "uma"
    swapped: ClassVar = {"output": 2, "full": 15}
    gates = 4
    removed: ClassVar = {"layernorm": 6, "all": 11}


class TestEScAIP(HydraContract):
    name = "escaip"
    swapped: ClassVar = {"output": 2, "full": 27}
    removed: ClassVar = {"layernorm": 0, "all": 18}  # fairchem's head has one more, which it never calls
    precision = torch.float32
    step = 3e-3
    tolerance = 1e-2


class TestAllScAIP(HydraContract):
    name = "allscaip"
    swapped: ClassVar = {"output": 1, "full": 10}
    removed: ClassVar = {"layernorm": 0, "all": 12}
    precision = torch.float32
    step = 3e-3
    tolerance = 1e-2


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"act_type": "s2"}, 2),  # two activations in place of one gate activation's, in each layer
        ({"ff_type": "spectral"}, 0),
        ({"act_type": "s2", "ff_type": "spectral"}, 2),
    ],
)
def test_variants_of_escnmd(changes: dict[str, Any], count: int) -> None:
    model = hydra_model("escnmd", {"region": "full"}, **changes)
    assert model.dc_report.swapped == 15 + count
    assert kinds(model, "SiLU") == {}


@pytest.mark.parametrize("kind", ["layer_norm", "layer_norm_sh", "rms_norm_sh"])
def test_each_norm_of_escnmd_is_removed(kind: str) -> None:
    model = hydra_model("escnmd", {"region": "output", "denormalize": "all"}, norm_type=kind)
    assert len(model.dc_report.removals) == 11


def test_the_activation_inside_csd_embedding_is_reached() -> None:
    """Replaced by our method, which computes the same with the same activation."""
    stock, ours = (model.backbone for model in (stock_model("escnmd"), hydra_model("escnmd", {"region": "output"})))
    inputs = {"charge": torch.zeros(2), "spin": torch.ones(2), "dataset": ["data", "data"]}
    assert torch.equal(stock.csd_embedding(**inputs), ours.csd_embedding(**inputs))
    changed = hydra_model("escnmd", {"region": [r"csd_act"]}).backbone
    assert not torch.equal(stock.csd_embedding(**inputs), changed.csd_embedding(**inputs))
    assert isinstance(changed, eSCNMDBackbone)


def test_without_a_data_set_embedding() -> None:
    plain = {"use_dataset_embedding": False, "dataset_mapping": None}
    stock, ours = (
        stock_model("escnmd", **plain).eval(),
        hydra_model("escnmd", {"region": ["nothing|csd"], "activation": "silu"}, **plain).eval(),
    )
    assert_close(ours(batch())["forces"]["forces"], stock(batch())["forces"]["forces"])


class OtherBackbone(eSCNMDBackbone):
    """A backbone of a user."""


def test_a_backbone_of_a_user() -> None:
    """It has the regions of its base class; what is out of reach is in the notes."""
    model = hydra_model("escnmd", {"region": "full"}, model=f"{__name__}.OtherBackbone")
    assert model.dc_report.swapped == 14
    assert "out of reach" in model.dc_notes[0]


def test_the_report_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    copy.deepcopy(hydra_model("escnmd", {"region": "output"}))
    assert [record.message.split(":")[0] for record in caplog.records if "surgery" in record.message] == ["surgery"]


@pytest.mark.parametrize(
    ("dc", "message"),
    [
        ({"regoin": "output"}, "model.dc: unknown key 'regoin'.* Did you mean 'region'"),
        ({"activation": "irelo"}, "irelu"),
        (
            {"region": ["^readout"]},
            "model.dc.region: '\\^readout' matches no activation.*output_heads.efs.energy_block.1",
        ),
        ({"accelerate": "native"}, "accelerate: got 'native', and eSCNMDBackbone is not native"),
        ({"allow_direct": True}, "allow_direct: eSCNMDBackbone predicts no forces directly"),
        ({"region": "none", "activation": "irelu"}, "nowhere to go"),
    ],
    ids=str,
)
def test_mistakes(dc: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"(?s){message}"):
        hydra_model("escnmd", dc)


class TestDirectForces:
    heads: ClassVar = {
        "energy": {"module": "fairchem.core.models.uma.escn_md.MLP_Energy_Head"},
        "forces": {"module": "fairchem.core.models.uma.escn_md.Linear_Force_Head"},
    }

    def build(self, dc: dict[str, Any] | None) -> DCHydraModel:
        given = {**arguments("escnmd", direct_forces=True), "heads": self.heads}
        return DCHydraModel(**given, dc=dc)

    def test_they_are_refused(self) -> None:
        assert not self.build(None).conservative
        with pytest.raises(UserError, match="not the derivatives of its energy: its backbone has direct_forces"):
            self.build({"region": "output"})

    def test_unless_they_are_allowed(self, caplog: pytest.LogCaptureFixture) -> None:
        model = self.build({"region": "output", "allow_direct": True})
        assert "allow_direct" in caplog.text
        assert model.dc_report.swapped == 2

    def test_an_unknown_head_is_refused(self) -> None:
        given = arguments("escnmd")
        given["heads"]["stress"] = {"module": "fairchem.core.models.uma.escn_md.MLP_Stress_Head"}
        with pytest.raises(UserError, match=r"output_heads.stress \(MLP_Stress_Head\)"):
            DCHydraModel(**given, dc={"region": "output"})


@pytest.mark.parametrize(
    ("backbone", "heads", "words"),
    [
        ("ocp_dc.fairchem2.backbones.schnet.SchNetBackbon", {}, r"no class SchNetBackbon\. Did you mean 'SchNetBack"),
        ("ocp_dc.fairchem2.backbones.shnet.SchNetBackbone", {}, r"no module .*shnet\. Did you mean 'schnet'\?"),
        ("nowhere.SchNet", {}, r"model\.backbone\.model: got 'nowhere\.SchNet', and there is no module nowhere"),
        (None, {}, r"model\.backbone\.model: got None, expected the dotted path of a class"),
        (
            "ocp_dc.fairchem2.backbones.schnet.SchNetBackbone",
            {"efs": {"module": "ocp_dc.fairchem2.heads.GradientHeads"}},
            r"model\.heads\.efs\.module: .* has no class GradientHeads\. Did you mean 'GradientHead'\?",
        ),
    ],
)
def test_names_of_classes(backbone: str | None, heads: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        DCHydraModel(backbone={"model": backbone}, heads=heads)
