"""Conversion of checkpoints in the environment of fairchem 1.10: there and back, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

import ocp_dc
from ocp_dc.checkpoints.convert import convert_checkpoint
from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint, write_inference_checkpoint
from ocp_dc.checkpoints.models import MODELS
from ocp_dc.checkpoints.saved_potential import build_potential
from ocp_dc.cli import main
from ocp_dc.core.errors import UnsafeDataError, UserError
from ocp_dc.models.shared_names import second_names

from tests.helpers import every_model
from tests.helpers.old_checkpoints import ARGUMENTS, checkpoint, draw_weights, model_named, old_checkpoint

DC = {"activation": {"name": "irelu", "coefficient": 0.5}, "region": "output"}
NAMES = [model.name for model in MODELS]


def host_model(name: str, dc: dict[str, Any] | None = None, **arguments: Any) -> Any:
    """A model of fairchem 1.10 with a ``dc:`` block, without periodic boundaries."""
    if name == "painn":
        dc, arguments = dc or {"force_gradients": "exact"}, {**arguments, "direct_forces": False}
    model = every_model.build(f"dc_{name}", {**ARGUMENTS[name], "otf_graph": True}, dc=dc, **arguments)
    draw_weights(model)
    return model.eval()


def saved(name: str, path: Path, dc: dict[str, Any] | None = None, layout: Any = checkpoint, **entries: Any) -> Path:
    """Write a checkpoint of such a model."""
    model = host_model(name, dc)
    arguments: dict[str, Any] = {"use_pbc": False, **({"direct_forces": False} if name == "painn" else {})}
    dc = {"force_gradients": "exact"} if name == "painn" and dc is None else dc
    if dc is not None:
        arguments["dc"] = dc
    named = name if layout is old_checkpoint else f"dc_{name}"
    torch.save({**layout(named, model.state_dict(), **arguments), **entries}, path)
    return path


def predictions(path: Path) -> list[tuple[float, torch.Tensor]]:
    calculator = ocp_dc.calculator(path, cpu=True)
    found = []
    for atoms in every_model.structures("molecules"):
        atoms.calc = calculator
        found.append((atoms.get_potential_energy(), torch.from_numpy(atoms.get_forces())))
    return found


def rescaling(**changes: Any) -> dict[str, Any]:
    references = torch.full((9,), torch.nan, dtype=torch.float64)
    references[torch.tensor([1, 6, 8])] = torch.tensor([-13.6, -1030.123456789, -2040.0], dtype=torch.float64)
    return {"label_rescaling": {"scale": 0.7, "mean": 0.0, "references": references, **changes}}


LAYOUTS = [(name, checkpoint) for name in NAMES]
LAYOUTS += [(name, old_checkpoint) for name in NAMES if name != "painn"]  # which had no dc: block then


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_there_and_back(tmp_path: Path, name: str, layout: Any) -> None:
    source = saved(name, tmp_path / "old.pt", layout=layout)
    convert_checkpoint(source, tmp_path / "new.pt")
    convert_checkpoint(tmp_path / "new.pt", tmp_path / "back.pt")
    for (energy, forces), (same_energy, same_forces) in zip(
        predictions(source), predictions(tmp_path / "back.pt"), strict=True
    ):
        assert same_energy == pytest.approx(energy, rel=1e-5, abs=1e-5)
        torch.testing.assert_close(same_forces, forces, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"mean": -98765.4321, "references": None}], ids=["references", "mean"])
def test_label_rescaling_there_and_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    source = saved("schnet", tmp_path / "old.pt", DC, **rescaling(**changes))
    convert_checkpoint(source, tmp_path / "new.pt")
    convert_checkpoint(tmp_path / "new.pt", tmp_path / "back.pt")
    content = torch.load(tmp_path / "back.pt", weights_only=True)
    assert content["label_rescaling"]["scale"] == 0.7
    assert content["config"]["model"]["dc"] == DC
    for (energy, forces), (same_energy, same_forces) in zip(
        predictions(source), predictions(tmp_path / "back.pt"), strict=True
    ):
        assert same_energy == energy
        assert torch.equal(same_forces, forces)


def test_the_host_reads_what_was_converted_back(tmp_path: Path) -> None:
    from fairchem.core.common.relaxation.ase_utils import OCPCalculator

    source = saved("schnet", tmp_path / "old.pt", DC, **rescaling())
    convert_checkpoint(source, tmp_path / "new.pt")
    convert_checkpoint(tmp_path / "new.pt", tmp_path / "back.pt")
    (energy, forces), *_ = predictions(source)
    atoms = every_model.structures("molecules")[0]
    atoms.calc = OCPCalculator(checkpoint_path=str(tmp_path / "back.pt"), cpu=True)
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-6)
    torch.testing.assert_close(torch.from_numpy(atoms.get_forces()).double(), forces, rtol=1e-5, atol=1e-6)


BLOCKS = [
    {"region": "full", "activation": "mish", "dropout": 0.1},
    {"insert_norm": "batchnorm", "insert_region": "output"},
    {"denormalize": "all", "norm_gain": "fitted", "region": "output"},
]


@pytest.mark.parametrize("dc", BLOCKS, ids=["dropout", "inserted norm", "removed norm"])
@pytest.mark.parametrize("name", NAMES)
def test_names_of_weights_after_surgery(name: str, dc: dict[str, Any]) -> None:
    host = host_model(name, dc)
    weights = host.state_dict()
    own = build_potential(model_named(name), ARGUMENTS[name], dc, weights)
    shapes = {key: value.shape for key, value in own.state_dict().items()}
    assert shapes == {key: value.shape for key, value in weights.items()}
    assert [key for key, value in own.named_parameters() if value.requires_grad] == [
        key for key, value in host.named_parameters() if value.requires_grad
    ]


@pytest.mark.parametrize(("name", "dtype"), [("schnet", torch.float32), ("gemnet_t", torch.float64)])
def test_averaged_weights(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    """They are a list in the order of the trainable parameters, and those of SchNet have two names each.

    Exponential averages have the precision of the weights, equal ones are of float64.
    """
    model = host_model(name)
    content = checkpoint(f"dc_{name}", {key: value.clone() for key, value in model.state_dict().items()}, use_pbc=False)
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    averages = [(value.detach() + index).to(dtype) for index, value in enumerate(trainable)]
    content["ema"] = {"decay": 0.9, "shadow_params": averages}
    torch.save(content, tmp_path / "old.pt")
    convert_checkpoint(tmp_path / "old.pt", tmp_path / "new.pt")
    for index, parameter in enumerate(trainable):
        parameter.data += index
    found = read_inference_checkpoint(tmp_path / "new.pt").weights
    for key, value in model.state_dict().items():
        if key not in second_names(model):
            assert torch.equal(found[f"backbone.potential.{key}"], value), key
            assert found[f"backbone.potential.{key}"].dtype == value.dtype
    content["ema"]["shadow_params"].pop()
    torch.save(content, tmp_path / "damaged.pt")
    with pytest.raises(UserError, match=r"averaged weights \(ema\)"):
        convert_checkpoint(tmp_path / "damaged.pt", tmp_path / "other.pt")


def test_scale_factors_apart_from_the_weights(tmp_path: Path) -> None:
    content = torch.load(saved("gemnet_t", tmp_path / "old.pt"), weights_only=True)
    factors = {key.removesuffix(".scale_factor"): 1.5 for key in content["state_dict"] if key.endswith(".scale_factor")}
    assert factors
    torch.save({**content, "scale_dict": factors}, tmp_path / "apart.pt")
    convert_checkpoint(tmp_path / "apart.pt", tmp_path / "new.pt")
    found = read_inference_checkpoint(tmp_path / "new.pt").weights
    assert {float(value) for key, value in found.items() if key.endswith(".scale_factor")} == {1.5}


def test_old_buffers_are_left_out(tmp_path: Path) -> None:
    content = torch.load(saved("schnet", tmp_path / "old.pt", layout=old_checkpoint), weights_only=True)
    content["state_dict"]["module.module.atomic_mass"] = torch.ones(100)
    torch.save(content, tmp_path / "older.pt")
    convert_checkpoint(tmp_path / "older.pt", tmp_path / "new.pt")
    assert not any("mass" in key for key in read_inference_checkpoint(tmp_path / "new.pt").weights)


def changed(content: Any, place: str, value: Any) -> Any:
    new = copy.deepcopy(content)
    block, keys = new, place.split("/")
    for key in keys[:-1]:
        block = block[key]
    block[keys[-1]] = value
    return new


REFUSED = [
    ("config/model/direct_forces", True, r"its forces come from an output beside the energy \(direct_forces: true\)"),
    ("config/model/regress_forces", False, r"it predicts energies only \(regress_forces: false\)"),
    ("config/model/name", "dc_equiformer_v2", "only models with a native potential can be converted: schnet"),
    ("config/model/name", "os.system", "its model is 'os.system', and only models with a native potential"),
    ("config/model/hidden_channel", 8, "arguments of SchNet are not those of fairchem 1.10.*hidden_channel"),
    ("config/model/hidden_channels", 8, "its weight .* has the shape"),
    ("config/model/num_interactions", 3, r"its weights lack interactions\.2\."),
    ("config/model/num_interactions", 1, r"its weights have interactions\.1\.\S+, .* beyond those of the model"),
    ("config/model/hidden_channels", 10**6, r"describes a model of more than [\d,]+ bytes"),
    ("config/model/dc", {"region": "outputs"}, r"region.*outputs"),
    ("normalizers/energy/rmsd", torch.tensor([1.0, 2.0]), "normalizer of energy: has 2 numbers"),
    ("elementrefs", {"forces": {"element_references": torch.ones(3)}}, "element references of forces"),
]


@pytest.mark.parametrize(("place", "value", "words"), REFUSED)
def test_refused_to_fairchem2(tmp_path: Path, place: str, value: Any, words: str) -> None:
    content = torch.load(saved("schnet", tmp_path / "old.pt"), weights_only=True)
    torch.save(changed(content, place, value), tmp_path / "other.pt")
    with pytest.raises(UserError, match=words):
        convert_checkpoint(tmp_path / "other.pt", tmp_path / "new.pt")
    assert not (tmp_path / "new.pt").exists()


def test_forces_that_are_no_gradients(tmp_path: Path) -> None:
    weights = host_model("painn").state_dict()
    torch.save(checkpoint("painn", weights), tmp_path / "direct.pt")
    with pytest.raises(UserError, match="direct_forces: true"):
        convert_checkpoint(tmp_path / "direct.pt", tmp_path / "new.pt")
    torch.save(checkpoint("painn", weights, direct_forces=False), tmp_path / "stock.pt")
    with pytest.raises(UserError, match="fairchem's PaiNN, which are not derivatives"):
        convert_checkpoint(tmp_path / "stock.pt", tmp_path / "new.pt")


@pytest.mark.parametrize(
    ("place", "value", "error", "words"),
    [
        ("backbone/model", "fairchem.core.models.uma.escn_md.eSCNMDBackbone", UserError, "expected a native one"),
        ("backbone/model", "os.system", UnsafeDataError, "using it could run any code"),
        ("heads/efs/module", "fairchem.core.models.uma.escn_md.MLP_EFS_Head", UserError, "expected one .*GradientHead"),
        ("backbone/direct_forces", True, UserError, "not the gradient of the energy"),
        ("backbone/max_neighbors", 20, UserError, "SchNet of fairchem 1.10 always keeps 32"),
        ("backbone/num_filters", 8, UserError, "its weight .* has the shape"),
    ],
)
def test_refused_to_fairchem1(tmp_path: Path, place: str, value: Any, error: type[UserError], words: str) -> None:
    convert_checkpoint(saved("schnet", tmp_path / "old.pt"), tmp_path / "new.pt")
    found = read_inference_checkpoint(tmp_path / "new.pt")
    found.model_config.update(changed(found.model_config, place, value))
    write_inference_checkpoint(found, tmp_path / "other.pt")
    with pytest.raises(error, match=words):
        convert_checkpoint(tmp_path / "other.pt", tmp_path / "back.pt")


def test_tasks_of_several_data_sets(tmp_path: Path) -> None:
    convert_checkpoint(saved("schnet", tmp_path / "old.pt"), tmp_path / "new.pt")
    found = read_inference_checkpoint(tmp_path / "new.pt")
    found.tasks_config.append({**found.tasks_config[0], "name": "other_energy", "datasets": ["other"]})
    write_inference_checkpoint(found, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"has 2 tasks of energy, of \[\['all'\], \['other'\]\]"):
        convert_checkpoint(tmp_path / "other.pt", tmp_path / "back.pt")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = saved("schnet", tmp_path / "old.pt")
    assert main(["convert", str(source), str(tmp_path / "new.pt")]) == 0
    assert "SchNet for fairchem 2.24 (ocp_dc.fairchem2.backbones.schnet.SchNetBackbone)" in capsys.readouterr().out
    assert main(["convert", str(source), str(tmp_path / "new.pt")]) == 2
    assert "new.pt: exists" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "new.pt"), str(tmp_path / "back.pt")]) == 0
    assert "SchNet for fairchem 1.10 (dc_schnet)" in capsys.readouterr().out
    assert main(["convert", str(tmp_path / "missing.pt"), str(tmp_path / "x.pt")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_command_converts_data(ethanol: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(ethanol / "val"), str(tmp_path / "new")]) == 0
    assert "new: 10 structures" in capsys.readouterr().out
